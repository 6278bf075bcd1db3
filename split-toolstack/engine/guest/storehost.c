/* SPDX-License-Identifier: BSD-3-Clause */
/* The host's store: opened with its journal, and in mode own given to dom0's kernel. */
#include "split-toolstack/engine/guest/storehost.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "split-toolstack/engine/devices/set.h"
#include "split-toolstack/engine/guest/guests-t.h"
#include "split-toolstack/engine/guest/guests.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/services/ports.h"
#include "split-toolstack/engine/vm/vms.h"
#include "store/socket.h"
#include "store/store.h"

#define XSD_PORT "/proc/xen/xsd_port"
#define XSD_KVA	 "/proc/xen/xsd_kva"

/* The kernel's messages before guests get their turn. */
#define BUDGET	       256u
#define TURNS_MAX      128u /* an event of the kernel is worth */
#define IDLE_TURNS_MAX 2u
#define RETRY_S	       1. /* interval of checks for room in a full folder */

struct storehost {
	struct engine *en;
	void (*poll)(struct engine *en); /* guests' rings */
	struct store_ring ring;		 /* the kernel's */
	void *page;
	uint32_t port;
	struct port_user user;
	bool woken;
	struct storesocket *socket;
	enum store_room room; /* state of the journal when it was last logged */
	ev_timer retry;	      /* while it lacks some */
	ev_prepare flush;     /* what was woken, before the loop sleeps */
	ev_idle busy;	      /* keeps it from sleeping */
};

struct store *engine_store(struct engine *en)
{
	return engine_guests(en)->tree;
}

/* --- turns --- */

static void on_busy(struct ev_loop *loop, ev_idle *w, int revents)
{
	(void)loop;
	(void)w;
	(void)revents;
}

void storehost_busy(struct engine *en)
{
	if (engine_guests(en)->host)
		ev_idle_start(engine_loop(en), &engine_guests(en)->host->busy);
}

static void poll_kernel(struct storehost *sh)
{
	int rc;

	sh->woken = false;
	rc = store_ring_poll(&sh->ring, BUDGET);
	if (rc == -EPROTO)
		log_line(LOG_ERROR, "the kernel's store ring is broken: devices cannot be added or "
				    "removed until the next boot");
	if (rc > 0)
		sh->woken = true;
}

/* The kernel sends its requests one after the other, each as soon as it has the last answer.
 * Meanwhile its channel stays masked and its ring is polled instead, which saves an interrupt
 * and two system calls for each request. There is a limit, so that others get their turn. */
static void linger(struct storehost *sh)
{
	uint32_t idle = 0;

	for (uint32_t turn = 0; turn < TURNS_MAX && idle < IDLE_TURNS_MAX; turn++) {
		(void)sched_yield();
		if (store_ring_waiting(&sh->ring)) {
			poll_kernel(sh);
			idle = 0;
		} else {
			idle++;
		}
	}
}

/* --- room for the journal --- */

static void log_room(const struct storehost *sh)
{
	const char *dir = engine_settings(sh->en)->run_dir;

	if (sh->room == STORE_ROOM_NONE)
		log_line(
			LOG_ERROR,
			"op=store dir=%s: full, and the store has no room for a change: no request "
			"of guests or of dom0's kernel is answered until there is some",
			dir);
	else if (sh->room == STORE_ROOM_TIGHT)
		log_line(LOG_WARN,
			 "op=store dir=%s: full: guests can change their nodes, but add few, until "
			 "there is room",
			 dir);
	else
		log_line(LOG_INFO, "op=store dir=%s: there is room for the store again", dir);
}

static void check_room(struct storehost *sh)
{
	enum store_room room = store_room(engine_guests(sh->en)->tree);

	if (room == sh->room)
		return;
	sh->room = room;
	log_room(sh);
	if (room == STORE_ROOM_FINE)
		ev_timer_stop(engine_loop(sh->en), &sh->retry);
	else
		ev_timer_again(engine_loop(sh->en), &sh->retry);
}

static void on_retry(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct storehost *sh = t->data;

	(void)loop;
	(void)revents;
	(void)store_retry(engine_guests(sh->en)->tree);
}

int storehost_check_room(const struct engine *en, struct err *e)
{
	if (store_room(engine_guests(en)->tree) != STORE_ROOM_NONE)
		return 0;
	return err_set(e, ENOSPC,
		       "%s is full: the store has no room for another device or guest; "
		       "free some there",
		       engine_settings(en)->run_dir);
}

const char *engine_store_room(const struct engine *en)
{
	static const char *const name[] = {"fine", "tight", "none"};

	return name[store_room(engine_guests(en)->tree)];
}

static void on_flush(struct ev_loop *loop, ev_prepare *w, int revents)
{
	struct storehost *sh = w->data;

	(void)revents;
	check_room(sh);
	if (sh->woken)
		poll_kernel(sh);
	if (engine_guests(sh->en)->woken)
		sh->poll(sh->en);
	if (!sh->woken && !engine_guests(sh->en)->woken)
		ev_idle_stop(loop, &sh->busy);
	else
		ev_idle_start(loop, &sh->busy);
}

static void on_event(struct port_user *u)
{
	struct storehost *sh =
		(struct storehost *)(void *)((char *)u - offsetof(struct storehost, user));

	poll_kernel(sh);
	linger(sh);
}

/* --- the kernel --- */

static void on_notify(struct store_ring *r)
{
	struct storehost *sh = r->arg;

	(void)xen_evtchn_notify(engine_xen(sh->en), sh->port);
}

static void on_wake(struct store_ring *r)
{
	struct storehost *sh = r->arg;

	sh->woken = true;
	ev_idle_start(engine_loop(sh->en), &sh->busy);
}

static int read_port(uint32_t *out)
{
	char text[32] = "";
	int fd = open(XSD_PORT, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, text, sizeof(text) - 1);
	(void)close(fd);
	if (n <= 0)
		return -EIO;
	*out = (uint32_t)strtoul(text, NULL, 10);
	return *out ? 0 : -EIO;
}

static int map_page(void **out)
{
	int fd = open(XSD_KVA, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	*out = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	(void)close(fd);
	if (*out == MAP_FAILED) {
		*out = NULL;
		return -errno;
	}
	return 0;
}

static int serve_kernel(struct storehost *sh, struct err *e)
{
	struct engine *en = sh->en;
	uint32_t remote = 0;
	int rc = read_port(&remote);

	if (rc < 0)
		return err_sys(e, -rc, "read %s (is xenfs mounted at /proc/xen?)", XSD_PORT);
	rc = map_page(&sh->page);
	if (rc < 0)
		return err_sys(e, -rc, "map %s", XSD_KVA);
	sh->ring.arg = sh;
	sh->ring.notify = on_notify;
	sh->ring.wake = on_wake;
	rc = store_ring_open(engine_guests(en)->tree, 0, sh->page, true, &sh->ring, e);
	if (rc < 0)
		return rc;
	rc = xen_evtchn_bind(engine_xen(en), 0, remote, &sh->port);
	if (rc < 0) {
		sh->port = 0;
		return err_sys(e, -rc, "bind to the kernel's store channel %u", remote);
	}
	sh->user.event = on_event;
	rc = ports_listen(engine_ports(en), sh->port, &sh->user);
	if (rc < 0)
		return err_set(e, ENOMEM, "out of memory");
	/* After this the kernel knows that there is a store. */
	(void)xen_evtchn_notify(engine_xen(en), sh->port);
	sh->woken = true;
	ev_idle_start(engine_loop(en), &sh->busy);
	return 0;
}

/* --- nodes of the host --- */

static int host_nodes(struct store *s)
{
	int rc = store_putf_quiet(s, "/local/domain/0/name", "Domain-0");

	if (rc == 0)
		rc = store_putf_quiet(s, "/local/domain/0/domid", "0");
	if (rc == 0 && !store_get(s, "/local/domain/0/backend", NULL))
		rc = store_mkdir(s, "/local/domain/0/backend");
	if (rc == 0)
		rc = store_putf_quiet(s, "/local/pool/0/name", "Pool-0");
	return rc;
}

int storehost_console_backend(struct engine *en, uint32_t domid, const char *at)
{
	static const struct {
		const char *name, *value;
	} same[] = {{"online", "1"}, {"state", "1"}, {"protocol", "vt100"}};
	char path[96];
	int rc;

	(void)snprintf(path, sizeof(path), "%s/frontend", at);
	rc = store_putf_quiet(engine_guests(en)->tree, path, "/local/domain/%u/console", domid);
	(void)snprintf(path, sizeof(path), "%s/frontend-id", at);
	if (rc == 0)
		rc = store_putf_quiet(engine_guests(en)->tree, path, "%u", domid);
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]) && rc == 0; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", at, same[i].name);
		rc = store_putf_quiet(engine_guests(en)->tree, path, "%s", same[i].value);
	}
	return rc;
}

struct tidying {
	struct engine *en;
	uint32_t *domid;
	uint32_t n, room;
};

/* A domain of another toolstack exists: its nodes belong to that toolstack, which removes them. */
static bool is_others(struct engine *en, uint32_t domid)
{
	struct xen_domain_info info;

	return xen_domain_info(engine_xen(en), domid, &info) == 0 &&
	       engine_guests(en)->ops->is_foreign(en, &info);
}

static void note_domain(uint32_t domid, struct tidying *t)
{
	struct vm *vm = NULL;
	uint32_t *grown;

	vm = vm_by_domid(t->en, domid);
	if (domid == 0 || vm || devices_of(t->en, domid) || is_others(t->en, domid))
		return;
	if (t->n == t->room) {
		grown = realloc(t->domid, (t->room + 64) * sizeof(*grown));
		if (!grown)
			return;
		t->domid = grown;
		t->room += 64;
	}
	t->domid[t->n++] = domid;
}

static void note_child(const char *name, void *arg)
{
	note_domain((uint32_t)strtoul(name, NULL, 10), arg);
}

static void note_kind(const char *kind, void *arg)
{
	struct tidying *t = arg;
	char path[STORE_PATH_MAX];

	if (snprintf(path, sizeof(path), "/local/domain/0/backend/%s", kind) < (int)sizeof(path))
		(void)store_children(engine_guests(t->en)->tree, path, note_child, t);
}

void storehost_tidy(struct engine *en)
{
	struct tidying t = {.en = en};

	(void)store_children(engine_guests(en)->tree, "/local/domain", note_child, &t);
	(void)store_children(engine_guests(en)->tree, "/local/domain/0/backend", note_kind, &t);
	for (uint32_t i = 0; i < t.n; i++)
		store_forget_domain(engine_guests(en)->tree, t.domid[i]);
	free(t.domid);
}

/* --- open and close --- */

int storehost_open(struct engine *en, void (*poll)(struct engine *en), struct err *e)
{
	struct storehost *sh = calloc(1, sizeof(*sh));
	struct err warning = {0};
	char path[512];
	int rc;

	if (!sh)
		return err_set(e, ENOMEM, "out of memory");
	if (snprintf(path, sizeof(path), "%s/store", engine_settings(en)->run_dir) >=
	    (int)sizeof(path)) {
		free(sh);
		return err_set(e, ENAMETOOLONG, "run_dir: too long");
	}
	sh->en = en;
	sh->poll = poll;
	engine_guests(en)->host = sh;
	ev_prepare_init(&sh->flush, on_flush);
	sh->flush.data = sh;
	ev_init(&sh->retry, on_retry);
	sh->retry.repeat = RETRY_S;
	sh->retry.data = sh;
	ev_idle_init(&sh->busy, on_busy);
	ev_prepare_start(engine_loop(en), &sh->flush);
	rc = store_open(path, NULL, &engine_guests(en)->tree, &warning);
	if (rc == -EBADMSG && engine_guests(en)->tree) {
		log_line(LOG_ERROR, "%s", err_msg(&warning));
		rc = 0;
	}
	if (rc < 0)
		return err_set(e, -rc, "%s", err_msg(&warning));
	rc = host_nodes(engine_guests(en)->tree);
	return rc < 0 ? err_sys(e, -rc, "make dom0's nodes in the store") : 0;
}

void storehost_serve(struct engine *en)
{
	struct storehost *sh = engine_guests(en)->host;
	struct err err = {0};

	if (engine_store_mode(en) != STORE_OWN || !engine_settings(en)->store_socket)
		return;
	if (serve_kernel(sh, &err) < 0)
		log_line(LOG_ERROR, "no devices of dom0's kernel: %s", err_msg(&err));
	if (storesocket_open(engine_loop(en), engine_guests(en)->tree,
			     engine_settings(en)->store_socket, &sh->socket, &err) < 0)
		log_line(LOG_ERROR, "no store for dom0's tools: %s", err_msg(&err));
}

void storehost_stop_serving(struct engine *en)
{
	struct storehost *sh = engine_guests(en)->host;

	storesocket_close(sh->socket);
	sh->socket = NULL;
	store_ring_close(&sh->ring);
	ports_ignore(engine_ports(en), &sh->user);
	if (sh->port)
		(void)xen_evtchn_unbind(engine_xen(en), sh->port);
	sh->port = 0;
	if (sh->page)
		(void)munmap(sh->page, 4096);
	sh->page = NULL;
}

void storehost_close(struct engine *en)
{
	struct storehost *sh = engine_guests(en)->host;

	if (!sh)
		return;
	store_close(engine_guests(en)->tree);
	engine_guests(en)->tree = NULL;
	ev_timer_stop(engine_loop(en), &sh->retry);
	ev_idle_stop(engine_loop(en), &sh->busy);
	ev_prepare_stop(engine_loop(en), &sh->flush);
	free(sh);
	engine_guests(en)->host = NULL;
}
