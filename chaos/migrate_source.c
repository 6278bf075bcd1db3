/* SPDX-License-Identifier: BSD-3-Clause */
/* The source's half of a migration: at each moment one of two hosts has the VM (ADR 0012). */
#include "chaos/migrate_source.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

#define WORDS_MS 500 /* time for a peer that has broken off to send its reason */

/* --- before the VM is disturbed --- */

static int read_vm(struct migration *m, const char *what, struct err *e)
{
	struct wire_in in;
	struct wire_field f;
	int rc = ask(&m->c, PROTO_REQ_INFO, what, PROTO_F_NEEDS, e);

	if (rc == 0)
		rc = client_finish(&m->c, &in, NULL, NULL, e);
	if (rc == 0 && !decode_vm(&in, &m->vm))
		rc = err_set(e, EPROTO, "chaosd sent a malformed frame");
	if (rc < 0)
		return rc;
	if (wire_find(&in, PROTO_NEEDS, &f) && f.len <= sizeof(m->needs))
		memcpy(m->needs, f.data, m->needs_bytes = f.len);
	if (strcmp(m->vm.state, "moving") == 0)
		return err_set(
			e, EBUSY,
			"\"%s\" is stopped, because it may run on another host. If it certainly "
			"does not run there: \"chaos unpause %s\"; if it does: \"chaos "
			"destroy %s\"",
			m->vm.name, m->vm.name, m->vm.name);
	if (strcmp(m->vm.state, "running") != 0 && strcmp(m->vm.state, "paused") != 0)
		return err_set(e, EBUSY, "\"%s\" is %s: only a VM that runs or is paused can move",
			       m->vm.name, m->vm.state);
	return 0;
}

static int open_link(struct migration *m, const struct migrate_way *w, struct err *e)
{
	const char *const shell[] = {"/bin/sh", "-c", w->command, NULL};
	const char *ssh[8] = {"ssh", w->host, "chaos", "migrate-receive"};
	uint32_t n = 4;

	if (w->paths)
		ssh[n++] = "--paths";
	if (w->disk) {
		ssh[n++] = "--disk";
		ssh[n++] = w->disk;
	}

	if (w->tcp) {
		migrate_warn();
		return link_tcp(&m->l, w->tcp, e);
	}
	if (w->unix_path)
		return link_unix(&m->l, w->unix_path, e);
	return link_run(&m->l, w->command ? shell : ssh, e);
}

static int await(struct migration *m, enum migrate_type type, int ms, struct migrate_message *got,
		 struct err *e)
{
	int rc = migrate_receive(m->l.in, got, ms, e);

	if (rc == 0 && got->type != type)
		return err_set(e, EPROTO, "the other side sent a malformed message");
	return rc;
}

static int offer(struct migration *m, struct err *e)
{
	struct migrate_message got;
	uint8_t body[MIGRATE_BODY];
	struct wire_out w;
	int rc;

	migrate_begin(&w, body);
	wire_text(&w, PROTO_NAME, m->vm.name);
	wire_text(&w, PROTO_WHAT, m->vm.uuid);
	wire_text(&w, PROTO_TYPE, m->vm.type);
	wire_u64(&w, PROTO_MEM_KIB, m->vm.mem_kib);
	wire_u32(&w, PROTO_VCPUS, m->vm.vcpus);
	wire_u32(&w, PROTO_FLAGS,
		 (strcmp(m->vm.state, "paused") == 0 ? PROTO_F_PAUSED : 0) |
			 (m->live ? PROTO_F_LIVE : 0));
	if (m->needs_bytes)
		wire_bytes(&w, PROTO_NEEDS, m->needs, m->needs_bytes);
	rc = migrate_send(m->l.out, MIGRATE_OFFER, &w, e);
	if (rc == 0 || rc == -EPIPE) /* it may have sent the reason before it closed */
		rc = await(m, MIGRATE_READY, -1, &got, e);
	if (rc == 0 && m->live && !(wire_get_u32(&got.in, PROTO_FLAGS, 0) & PROTO_F_LIVE)) {
		m->live = false;
		m->why_not = "the other host's chaos is older and takes no VM that runs";
	}
	return rc;
}

/* Xen cannot record what PV guests write; a paused guest does not write anyway. */
static void choose_way(struct migration *m)
{
	if (m->live && strcmp(m->vm.type, "pv") == 0)
		m->why_not = "it is a PV guest, and Xen cannot tell which pages these write "
			     "(EOPNOTSUPP)";
	if (m->why_not || strcmp(m->vm.state, "paused") == 0)
		m->live = false;
}

static void say_why_not(const struct migration *m)
{
	if (m->why_not)
		(void)fprintf(stderr,
			      "chaos: \"%s\" is stopped, copied and started: %s. --stop asks for "
			      "that without this line\n",
			      m->vm.name, m->why_not);
}

/* --- from here on it goes on by itself when this connection ends --- */

static int begin_save(struct migration *m, struct err *e)
{
	struct wire_out w;

	client_begin(&m->c, &w, PROTO_REQ_SAVE);
	m->save_tag = m->c.tag;
	wire_text(&w, PROTO_WHAT, m->vm.uuid);
	wire_u32(&w, PROTO_FILE_FD, 0);
	if (m->live)
		wire_u32(&w, PROTO_FLAGS, PROTO_F_LIVE);
	return client_send(&m->c, &w, &m->l.out, 1, e);
}

/* The next round begins when the last one has been written and read. */
static int next_round(struct migration *m, struct err *e)
{
	struct wire_out w;

	if (m->rounds != m->arrived)
		return 0;
	m->c.tag = m->save_tag - 1;
	client_begin(&m->c, &w, PROTO_REQ_ROUND);
	return client_send(&m->c, &w, NULL, 0, e);
}

/* The reason of the other side is better than the error of the broken stream here. */
static int why(struct migration *m, int rc, struct err *e)
{
	struct migrate_message got;
	struct err theirs = {0};

	if (migrate_receive(m->l.in, &got, WORDS_MS, &theirs) == -ECANCELED)
		err_copy(e, &theirs);
	return rc;
}

/* FILLED may arrive before chaosd has reported that all is written. */
static int read_peer(struct migration *m, struct err *e)
{
	struct migrate_message got;
	int rc = migrate_receive(m->l.in, &got, m->timeout_ms, e);

	if (rc < 0)
		return rc;
	if (m->live && got.type == MIGRATE_ROUND) {
		m->arrived++;
		m->moved_at = clock_ns();
		if (wire_get_u32(&got.in, PROTO_ROUND, 0) == m->arrived)
			return next_round(m, e);
		got.type = MIGRATE_TYPES;
	}
	if (got.type != MIGRATE_FILLED)
		return err_set(e, EPROTO, "the other side sent a malformed message");
	m->filled = true;
	m->since = wire_get_u64(&got.in, MIGRATE_SINCE, 0);
	if (!wire_get_text(&got.in, PROTO_WHAT, m->there, sizeof(m->there)) ||
	    !wire_get_text(&got.in, MIGRATE_HOST, m->boot, sizeof(m->boot)))
		return err_set(e, EPROTO, "the other side sent a malformed message");
	return 0;
}

static int read_daemon(struct migration *m, bool *written, struct err *e)
{
	struct wire_in in;
	int rc = client_receive(&m->c, &in, e);

	if (rc < 0)
		return why(m, rc, e);
	if (in.h.op != PROTO_ITEM)
		return err_set(e, EPROTO, "chaosd sent a malformed frame");
	if (wire_get_u32(&in, PROTO_ROUND, 0)) {
		m->rounds++;
		m->round_pages += wire_get_u64(&in, PROTO_PRESENT, 0);
		m->bytes = wire_get_u64(&in, PROTO_BYTES, 0);
		progress_round(m, wire_get_u64(&in, PROTO_PRESENT, 0));
		return next_round(m, e);
	}
	*written = true;
	m->bytes = wire_get_u64(&in, PROTO_BYTES, 0);
	m->pages = wire_get_u64(&in, PROTO_PAGES, 0);
	m->present = wire_get_u64(&in, PROTO_PRESENT, 0);
	m->stopped_ns = wire_get_u64(&in, PROTO_STOPPED_NS, 0);
	m->written_at = m->moved_at = clock_ns();
	return 0;
}

static int wait_filled(struct migration *m, struct err *e)
{
	int ms = m->timeout_ms < TICK_MS ? m->timeout_ms : TICK_MS;
	bool written = false;
	int rc = 0;

	m->moved_at = clock_ns();
	while (rc == 0 && !(written && m->filled)) {
		struct pollfd p[2] = {{.fd = written ? -1 : m->c.fd, .events = POLLIN},
				      {.fd = m->filled ? -1 : m->l.in, .events = POLLIN}};
		int ready = poll(p, 2, ms);

		if (ready < 0 && errno != EINTR)
			rc = err_sys(e, errno, "wait for chaosd and the other side");
		else if (ready == 0)
			rc = progress_tick(m, written, e);
		else if (ready > 0 && p[1].revents)
			rc = read_peer(m, e);
		else if (ready > 0)
			rc = read_daemon(m, &written, e);
	}
	return rc;
}

static int transfer(struct migration *m, struct err *e)
{
	int rc;

	say_why_not(m);
	rc = begin_save(m, e);
	if (rc == 0)
		rc = wait_filled(m, e);
	if (m->shown)
		(void)fputc('\n', stderr);
	client_close(&m->beside);
	m->beside.fd = -1;
	return rc;
}

/* --- it is decided --- */

static void hold_signals(bool hold)
{
	sigset_t s;

	sigemptyset(&s);
	sigaddset(&s, SIGINT);
	sigaddset(&s, SIGTERM);
	sigaddset(&s, SIGHUP);
	(void)sigprocmask(hold ? SIG_BLOCK : SIG_UNBLOCK, &s, NULL);
}

/* When this has succeeded, only a request lets the VM run here again. */
static int move_vm(struct migration *m, struct err *e)
{
	struct wire_out w;
	struct wire_in in;
	int rc;

	m->c.tag = m->save_tag - 1;
	client_begin(&m->c, &w, PROTO_REQ_MOVE);
	rc = client_send(&m->c, &w, NULL, 0, e);
	return rc < 0 ? rc : client_finish(&m->c, &in, NULL, NULL, e);
}

/* The VM certainly does not run there: lets it continue here. */
static enum outcome take_back(struct migration *m)
{
	struct err e = {0};
	struct wire_in in;
	int rc = migrate_insist(&m->c, PROTO_REQ_MOVED, m->vm.uuid, PROTO_F_KEEP, &in, &e);

	/* The VM was never stopped, or its domain has ended. */
	if (rc < 0 && rc != -EINVAL && rc != -ESRCH)
		(void)fprintf(stderr,
			      "chaos: %s\nchaos: \"%s\" may stand still here; it does not run on "
			      "the other host: \"chaos unpause %s\"\n",
			      err_msg(&e), m->vm.name, m->vm.name);
	return STAYS;
}

static enum outcome moved(struct migration *m)
{
	struct err e = {0};
	struct wire_in in;

	m->runs_at = clock_ns();
	if (migrate_insist(&m->c, PROTO_REQ_MOVED, m->vm.uuid, 0, &in, &e) < 0)
		(void)fprintf(stderr,
			      "chaos: warning: %s; \"%s\" runs on the other host and stands still "
			      "here: \"chaos destroy %s\" when chaosd is there again\n",
			      err_msg(&e), m->vm.name, m->vm.name);
	return MOVED;
}

static enum outcome unsure(struct migration *m, struct err *e)
{
	struct err was = *e;

	(void)err_set(e, was.code,
		      "%s after it was told to run \"%s\", which is stopped here. If it certainly "
		      "does not run there: \"chaos unpause %s\"; if it does: \"chaos "
		      "destroy %s\"",
		      err_msg(&was), m->vm.name, m->vm.name, m->vm.name);
	return UNSURE;
}

/* The answer was lost: opens another stream and asks the target for it. */
static int request_result(struct migration *m, struct migrate_message *got, struct err *e)
{
	uint8_t body[MIGRATE_BODY];
	struct wire_out w;
	int rc;

	(void)link_close(&m->l);
	rc = open_link(m, m->way, e);
	if (rc < 0)
		return rc;
	migrate_begin(&w, body);
	wire_text(&w, PROTO_WHAT, m->there);
	wire_text(&w, MIGRATE_HOST, m->boot);
	wire_u64(&w, MIGRATE_SINCE, m->since);
	rc = migrate_send(m->l.out, MIGRATE_ASK, &w, e);
	return rc < 0 ? rc : await(m, MIGRATE_RUNS, m->timeout_ms, got, e);
}

/* The target does not accept the paths of its source. */
static void print_loss(const struct migration *m, const struct migrate_message *runs)
{
	struct wire_field f;

	if (!m->vm.kernel[0] || !wire_find(&runs->in, PROTO_FLAGS, &f) ||
	    wire_get_u32(&runs->in, PROTO_FLAGS, 0) & PROTO_F_PATHS)
		return;
	(void)fprintf(
		stderr,
		"chaos: the other host does not know the kernel of \"%s\": where it was to be "
		"restarted it is destroyed there; --paths lets the source name it\n",
		m->vm.name);
}

static enum outcome commit(struct migration *m, struct err *e)
{
	struct migrate_message got;
	struct err again = {0};
	int rc = move_vm(m, e);

	if (rc < 0) {
		client_close(&m->c); /* signals that are not blocked continue with this */
		m->c.fd = -1;
		return take_back(m);
	}
	if (migrate_send(m->l.out, MIGRATE_GO, NULL, e) <
	    0) /* not all bytes were sent: GO does not count */
		return take_back(m);
	rc = await(m, MIGRATE_RUNS, m->timeout_ms, &got, e);
	if (rc < 0 && rc != -ECANCELED) {
		rc = request_result(m, &got, &again);
		if (rc == -ECANCELED)
			err_copy(e, &again);
	}
	if (rc == -ECANCELED)
		return take_back(m);
	if (rc < 0)
		return unsure(m, e);
	m->domid = wire_get_u32(&got.in, PROTO_DOMID, 0);
	if (!wire_get_text(&got.in, PROTO_NAME, m->name, sizeof(m->name)))
		m->name[0] = '\0';
	migrate_tame(m->name);
	print_loss(m, &got);
	return moved(m);
}

enum outcome migrate_away(struct migration *m, const char *what, const struct migrate_way *w,
			  struct err *e)
{
	enum outcome o;
	int rc = read_vm(m, what, e);

	m->way = w;
	choose_way(m);
	if (rc == 0)
		rc = open_link(m, w, e);
	if (rc == 0)
		rc = offer(m, e);
	if (rc == 0)
		rc = transfer(m, e);
	if (rc < 0)
		return STAYS;
	hold_signals(true);
	o = commit(m, e);
	hold_signals(false);
	return o;
}
