/* SPDX-License-Identifier: BSD-3-Clause */
/* migrate-receive: the target's side of a migration. The VM runs here when the source has given
 * it away. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "chaos/migrate.h"

struct reception {
	struct client c;
	struct link l;
	const char *as; /* a name for it; NULL: the source's */
	/* what the source has offered */
	char name[sizeof(((struct chaos_vm *)0)->name)], uuid[37], type[8];
	uint64_t mem_kib;
	uint32_t vcpus, flags;
	uint32_t needs[65], needs_bytes; /* of its CPU features */
	struct chaos_vm vm;		 /* received so far */
	uint64_t since;			 /* wall clock when it began to arrive */
	bool asked;    /* ASK instead of OFFER: the source asks about an earlier migration */
	uint32_t tag;  /* tag of the RECEIVE */
	struct err *e; /* tag of the open request */
	bool told;     /* the source has the reason, and prints it */
};

/* --- what is offered --- */

/* Only the host with the same boot id can answer. */
static int read_ask(struct reception *r, const struct migrate_message *m, struct err *e)
{
	char boot[MIGRATE_BOOT], here[MIGRATE_BOOT];

	r->asked = true;
	r->since = wire_get_u64(&m->in, MIGRATE_SINCE, 0);
	if (!wire_get_text(&m->in, PROTO_WHAT, r->vm.uuid, sizeof(r->vm.uuid)) ||
	    !wire_get_text(&m->in, MIGRATE_HOST, boot, sizeof(boot)))
		return err_set(e, EPROTO, "the other side sent a malformed message");
	migrate_boot(here);
	if (!here[0] || strcmp(boot, here) != 0)
		return err_set(
			e, ENXIO,
			"this VM was sent to another host, or to this one before it was booted");
	return 0;
}

static int read_offer(struct reception *r, struct err *e)
{
	struct migrate_message got;
	struct wire_field f;
	int rc = migrate_receive(r->l.in, &got, -1, e);

	if (rc < 0)
		return rc;
	if (got.type == MIGRATE_ASK)
		return read_ask(r, &got, e);
	if (wire_find(&got.in, PROTO_NEEDS, &f) && f.len <= sizeof(r->needs))
		memcpy(r->needs, f.data, r->needs_bytes = f.len);
	r->mem_kib = wire_get_u64(&got.in, PROTO_MEM_KIB, 0);
	r->vcpus = wire_get_u32(&got.in, PROTO_VCPUS, 0);
	r->flags |= wire_get_u32(&got.in, PROTO_FLAGS, 0) & (PROTO_F_PAUSED | PROTO_F_LIVE);
	if (got.type == MIGRATE_OFFER &&
	    wire_get_text(&got.in, PROTO_NAME, r->name, sizeof(r->name)) &&
	    wire_get_text(&got.in, PROTO_WHAT, r->uuid, sizeof(r->uuid)) &&
	    wire_get_text(&got.in, PROTO_TYPE, r->type, sizeof(r->type)))
		return 0;
	return err_set(e, EPROTO, "the other side sent a malformed message");
}

static int admit(struct reception *r, struct err *e)
{
	struct wire_out w;
	struct wire_in in;
	int rc;

	client_begin(&r->c, &w, PROTO_REQ_ADMIT);
	wire_text(&w, PROTO_NAME, r->as ? r->as : r->name);
	if (!r->as)
		wire_text(&w, PROTO_WHAT, r->uuid);
	wire_text(&w, PROTO_TYPE, r->type);
	wire_u64(&w, PROTO_MEM_KIB, r->mem_kib);
	wire_u32(&w, PROTO_VCPUS, r->vcpus);
	if (r->needs_bytes)
		wire_bytes(&w, PROTO_NEEDS, r->needs, r->needs_bytes);
	rc = client_send(&r->c, &w, NULL, 0, e);
	return rc < 0 ? rc : client_finish(&r->c, &in, NULL, NULL, e);
}

static int send_ready(const struct reception *r, struct err *e)
{
	uint8_t body[MIGRATE_BODY];
	struct wire_out w;

	if (!(r->flags & PROTO_F_LIVE)) /* older sources expect no fields here */
		return migrate_send(r->l.out, MIGRATE_READY, NULL, e);
	migrate_begin(&w, body);
	wire_u32(&w, PROTO_FLAGS, PROTO_F_LIVE);
	return migrate_send(r->l.out, MIGRATE_READY, &w, e);
}

/* A round has arrived: notifies the source, which begins the next one. */
static int send_round(const struct wire_in *item, void *arg)
{
	const struct reception *r = arg;
	uint8_t body[MIGRATE_BODY];
	struct wire_out w;

	migrate_begin(&w, body);
	wire_u32(&w, PROTO_ROUND, wire_get_u32(item, PROTO_ROUND, 0));
	return migrate_send(r->l.out, MIGRATE_ROUND, &w, r->e);
}

/* --- it arrives, and goes when this connection ends --- */

static int fill(struct reception *r, struct err *e)
{
	struct wire_out w;
	struct wire_in in;
	int rc;

	client_begin(&r->c, &w, PROTO_REQ_RECEIVE);
	r->tag = r->c.tag;
	wire_text(&w, PROTO_NAME, r->as);
	wire_u32(&w, PROTO_FILE_FD, 0);
	wire_u32(&w, PROTO_FLAGS, r->flags);
	r->e = e;
	rc = client_send(&r->c, &w, &r->l.in, 1, e);
	if (rc == 0)
		rc = client_finish(&r->c, &in, send_round, r, e);
	if (rc == 0 && !decode_vm(&in, &r->vm))
		rc = err_set(e, EPROTO, "chaosd sent a malformed frame");
	return rc;
}

/* If chaosd is killed meanwhile, the wait ends, and the source is notified at once. */
static int wait_for_go(struct reception *r, struct err *e)
{
	struct pollfd p[2] = {{.fd = r->l.in, .events = POLLIN}, {.fd = r->c.fd, .events = POLLIN}};
	struct migrate_message got;
	struct wire_in in;
	int rc;

	while (poll(p, 2, -1) < 0)
		if (errno != EINTR)
			return err_sys(e, errno, "wait for chaosd and the other side");
	if (p[1].revents) {
		rc = client_receive(&r->c, &in, e);
		return rc < 0 ? rc : err_set(e, EPROTO, "chaosd sent a malformed frame");
	}
	rc = migrate_receive(r->l.in, &got, -1, e);
	if (rc == 0 && got.type != MIGRATE_GO)
		return err_set(e, EPROTO, "the other side sent a malformed message");
	return rc;
}

/* --- it is this host's --- */

/* The connection broke while chaosd was to run the VM: chaosd has it, or has removed it, or
 * removes it now. 0: it runs, or has run; -ETIMEDOUT: chaosd does not answer; otherwise the
 * error in `e`: it never will run. */
static int find_out(struct reception *r, struct err *e)
{
	uint64_t until = clock_ns() + DAEMON_MS * 1000000ull;
	struct err now = {0};
	struct chaos_vm v;
	struct wire_in in;

	do {
		int rc = migrate_insist(&r->c, PROTO_REQ_INFO, r->vm.uuid, 0, &in, &now);

		if (rc == -ESRCH)
			return -e->code;
		if (rc < 0)
			return -ETIMEDOUT; /* nothing is known, so nothing can be answered */
		if (!decode_vm(&in, &v))
			return err_set(e, EPROTO, "chaosd sent a malformed frame");
		if (strcmp(v.state, "ended") == 0)
			return v.started_ns >= r->since ? 0 : -e->code;
		if (strcmp(v.state, "building") ==
		    0) /* the connection that received it may still exist */
			(void)migrate_insist(&r->c, PROTO_REQ_MOVED, r->vm.uuid, PROTO_F_KEEP, &in,
					     &now);
		else if (strcmp(v.state, "unknown") != 0) {
			r->vm = v;
			return 0;
		}
		(void)poll(NULL, 0, 20);
	} while (clock_ns() < until);
	return -ETIMEDOUT;
}

static int let_run(struct reception *r, struct err *e)
{
	struct wire_out w;
	struct wire_in in;
	int rc;

	r->c.tag = r->tag - 1;
	client_begin(&r->c, &w, PROTO_REQ_RECEIVED);
	rc = client_send(&r->c, &w, NULL, 0, e);
	if (rc == 0)
		rc = client_finish(&r->c, &in, NULL, NULL, e);
	if (rc == 0 && decode_vm(&in, &r->vm))
		return 0;
	if (!migrate_is_cut(rc))
		return rc;
	client_close(&r->c);
	r->c.fd = -1;
	return find_out(r, e);
}

/* --- the command --- */

static void send_no(struct reception *r, const struct err *e)
{
	uint8_t body[MIGRATE_BODY];
	struct wire_out w;

	migrate_begin(&w, body);
	wire_u32(&w, PROTO_CODE, (uint32_t)e->code);
	wire_text(&w, PROTO_TEXT, err_msg(e));
	r->told = migrate_send(r->l.out, MIGRATE_NO, &w, NULL) == 0;
}

static void send_runs(struct reception *r)
{
	uint8_t body[MIGRATE_BODY];
	struct wire_out w;

	migrate_begin(&w, body);
	wire_text(&w, PROTO_NAME, r->vm.name);
	wire_u32(&w, PROTO_DOMID, r->vm.domid);
	wire_u32(&w, PROTO_FLAGS, r->vm.kernel[0] ? PROTO_F_PATHS : 0);
	(void)migrate_send(r->l.out, MIGRATE_RUNS, &w, NULL);
}

static int send_filled(struct reception *r, struct err *e)
{
	uint8_t body[MIGRATE_BODY];
	char boot[MIGRATE_BOOT];
	struct wire_out w;

	migrate_boot(boot);
	migrate_begin(&w, body);
	wire_text(&w, PROTO_WHAT, r->vm.uuid);
	wire_text(&w, MIGRATE_HOST, boot);
	wire_u64(&w, MIGRATE_SINCE, r->since);
	return migrate_send(r->l.out, MIGRATE_FILLED, &w, e);
}

static int receive_vm(struct reception *r, struct err *e)
{
	int rc = client_open(&r->c, NULL, e);

	if (rc == 0)
		rc = admit(r, e);
	if (rc == 0)
		rc = send_ready(r, e);
	r->since = clock_wall_ns();
	if (rc == 0)
		rc = fill(r, e);
	if (rc == 0)
		rc = send_filled(r, e);
	return rc < 0 ? rc : wait_for_go(r, e);
}

static int serve(struct reception *r, struct err *e)
{
	int rc = read_offer(r, e);

	if (r->asked && rc < 0)
		return rc; /* not known here: no answer */
	if (rc == 0 && !r->asked)
		rc = receive_vm(r, e);
	if (rc < 0) {
		client_close(&r->c); /* nothing of it is left, so NO is true */
		r->c.fd = -1;
		send_no(r, e);
		return rc;
	}
	if (r->asked)
		(void)err_set(e, ESRCH, "it does not run there");
	rc = r->asked ? find_out(r, e) : let_run(r, e);
	if (rc == -ETIMEDOUT)
		return err_set(e, ETIMEDOUT,
			       "chaosd has ended before it reported whether \"%s\" runs",
			       r->vm.name);
	if (rc < 0)
		send_no(r, e);
	else
		send_runs(r);
	return rc;
}

static int run_receive(const struct command *cmd, int argc, char **argv)
{
	static const struct option longs[] = {{"name", required_argument, NULL, 'n'},
					      {"listen", required_argument, NULL, 'l'},
					      {"disk", required_argument, NULL, 'd'},
					      {"paths", no_argument, NULL, 'p'},
					      {"json", no_argument, NULL, 'j'},
					      {"help", no_argument, NULL, 'h'},
					      {NULL, 0, NULL, 0}};
	struct reception r = {.c = {.fd = -1}, .l = {.in = -1, .out = -1}};
	const char *where = NULL;
	struct err e = {0};
	bool json = false;
	int rc;
	int c;

	while ((c = next_option(cmd, argc, argv, ":n:l:d:pjh", longs)) != -1) {
		if (c == 'n')
			r.as = optarg;
		else if (c == 'l')
			where = optarg;
		else if (c == 'p')
			r.flags |= PROTO_F_PATHS;
		else if (c == 'j')
			json = true;
		else if (disks_flag(optarg, &r.flags, &e) < 0)
			return usage(cmd, "%s", err_msg(&e));
	}
	if (argc != optind || (json && !where))
		return usage(cmd,
			     argc != optind
				     ? "unexpected argument \"%s\""
				     : "standard output is the stream: --json needs --listen%s",
			     argc != optind ? argv[optind] : "");
	(void)signal(SIGPIPE, SIG_IGN);
	if (where && !strchr(where, '/'))
		migrate_warn();
	rc = where ? link_listen(&r.l, where, &e) : link_std(&r.l, &e);
	if (rc == 0)
		rc = serve(&r, &e);
	client_close(&r.c);
	(void)link_close(&r.l);
	if (rc < 0)
		return r.told && !where ? EXIT_FAILED : failed(&e);
	if (json)
		return print_json(vm_json(&r.vm)) < 0 ? EXIT_FAILED : EXIT_DONE;
	if (where)
		printf("%s\n", r.vm.name);
	return EXIT_DONE;
}

static const char receive_help[] =
	"Receives one VM from \"chaos migrate\" on another host, over standard input and output. "
	"The VM\n"
	"runs here when the other host has given it away; otherwise nothing is left of it.\n"
	"\n"
	"  -n, --name NAME         give it this name and a new uuid\n"
	"  -l, --listen WHERE      wait for a connection at ADDR:PORT (not encrypted), or at the "
	"path of a\n"
	"                          Unix socket, for a TLS proxy\n"
	"  -d, --disk WHAT         its disks: keep (as the source names them), readonly, none or "
	"copy;\n"
	"                          needed if this host does not know the VM\n"
	"  -p, --paths             use kernel, ramdisk and on_* keys that the source "
	"names\n" HELP_JSON;

const struct command cmd_migrate_receive = {
	.name = "migrate-receive",
	.args = "[OPTION]...",
	.what = "receive a VM from another host",
	.help = receive_help,
	.run = run_receive,
};
