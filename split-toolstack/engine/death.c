/* SPDX-License-Identifier: BSD-3-Clause */
/* Who died: VIRQ_DOM_EXC when no xenstored owns it; beside xenstored, hints and a poll (ADR 0002).
 */
#include "split-toolstack/engine/private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <xen/xen.h>
#include <xenstore.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/unix.h"

#define AT_ONCE 64 /* domains asked for in one hypercall */
/* Looking for the dead takes at most a tenth of the time. */
#define SHARE 10
/* Beside xenstored: how soon to look after a hint, and at the latest. */
#define POLL_MIN_S 0.001
#define POLL_MAX_S 0.1
/* After Xen could not be asked. */
#define RETRY_S 0.1

struct deaths {
	uint32_t virq_port;   /* 0: beside xenstored */
	struct xs_handle *xs; /* NULL: not beside it */
	ev_io xs_io;
	ev_timer scan;
	uint32_t scans;
	uint64_t scan_end, scan_took; /* ns */
	double poll_s;		      /* beside: until the next look */
};

static void scan_some(struct engine *en, const struct xen_domain_info *info, int n)
{
	for (int i = 0; i < n; i++) {
		struct vm *vm = NULL;

		HASH_FIND(by_domid, en->domids, &info[i].domid, sizeof(info[i].domid), vm);
		if (!vm || memcmp(vm->uuid, info[i].uuid, sizeof(vm->uuid)) != 0)
			continue;
		vm->seen = en->deaths->scans;
		if (info[i].shutdown || info[i].dying)
			vm_has_ended(vm, &info[i]);
	}
}

void death_scan(struct engine *en)
{
	struct deaths *d = en->deaths;
	struct xen_domain_info info[AT_ONCE];
	uint64_t start = clock_ns();
	uint32_t first = 1;
	int n;

	d->scans++;
	while ((n = xen_domain_list(en->x, first, AT_ONCE, info)) > 0) {
		scan_some(en, info, n);
		if (n < AT_ONCE)
			break;
		first = info[n - 1].domid + 1;
	}
	for (struct vm *vm = en->alive, *next; n >= 0 && vm; vm = next) {
		next = vm->next;
		if (vm->domid && vm->seen != d->scans && vm->started_ns &&
		    vm->unpaused < start) /* gone: somebody else destroyed it */
			vm_has_ended(vm, NULL);
	}
	d->scan_end = clock_ns();
	d->scan_took = d->scan_end - start;
	if (n < 0) { /* what died is not known: it is looked for again */
		ev_timer_stop(en->loop, &d->scan);
		ev_timer_set(&d->scan, RETRY_S, 0.);
		ev_timer_start(en->loop, &d->scan);
	}
}

/* Beside xenstored, as long as anything lives: the next look, later each time nothing happened. */
static void poll_again(struct engine *en)
{
	struct deaths *d = en->deaths;
	double floor = (double)(d->scan_took * SHARE) / 1e9;

	if (en->store != STORE_BESIDE || !en->alive)
		return;
	ev_timer_stop(en->loop, &d->scan);
	ev_timer_set(&d->scan, d->poll_s > floor ? d->poll_s : floor, 0.);
	ev_timer_start(en->loop, &d->scan);
	d->poll_s = d->poll_s * 2 < POLL_MAX_S ? d->poll_s * 2 : POLL_MAX_S;
}

static void on_scan(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct engine *en = t->data;

	(void)revents;
	ev_timer_stop(loop, t);
	death_scan(en);
	poll_again(en);
}

void death_hint(struct engine *en)
{
	if (en->store != STORE_BESIDE)
		return;
	en->deaths->poll_s = POLL_MIN_S;
	poll_again(en);
}

static void on_notice(struct engine *en)
{
	struct deaths *d = en->deaths;
	uint64_t next = d->scan_end + d->scan_took * SHARE;
	uint64_t now = clock_ns();

	if (ev_is_active(&d->scan))
		return;
	if (now >= next) {
		death_scan(en);
		return;
	}
	ev_timer_set(&d->scan, (double)(next - now) / 1e9, 0.);
	ev_timer_start(en->loop, &d->scan);
}

bool death_event(struct engine *en, uint32_t port)
{
	if (port == 0 || port != en->deaths->virq_port)
		return false;
	(void)xen_evtchn_unmask(en->x, port);
	on_notice(en);
	return true;
}

/* --- where the news come from --- */

static bool is_listened_on(const char *path)
{
	int fd = unix_connect(path, SOCK_STREAM, 0);

	if (fd >= 0)
		(void)close(fd);
	return fd >= 0;
}

/* Asking through the kernel would hang for ever without a xenstored; its socket tells. */
static bool xenstored_runs(void)
{
	return is_listened_on("/run/xenstored/socket") ||
	       is_listened_on("/var/run/xenstored/socket");
}

static void on_xenstore(struct ev_loop *loop, ev_io *io, int revents)
{
	struct engine *en = io->data;
	char **event;

	(void)revents;
	while ((event = xs_check_watch(en->deaths->xs)) != NULL)
		free(event);
	if (errno != EAGAIN) {
		log_line(LOG_ERROR, "xenstored went away: deaths of VMs are not noticed any more; "
				    "restart chaosd");
		ev_io_stop(loop, io);
		return;
	}
	death_hint(en);
}

static int open_beside(struct engine *en, struct err *e)
{
	struct deaths *d = en->deaths;
	struct xs_handle *xs;

	if (!xenstored_runs())
		return err_set(e, ENOENT,
			       "store=beside: no xenstored is running; start it or use store=own");
	xs = xs_open(XS_OPEN_SOCKETONLY);
	if (!xs)
		return err_sys(e, errno, "store=beside: xenstored");
	if (!xs_watch(xs, "@releaseDomain", "chaosd")) {
		int rc = err_sys(e, errno, "store=beside: watch @releaseDomain");

		xs_close(xs);
		return rc;
	}
	d->xs = xs;
	ev_io_init(&d->xs_io, on_xenstore, xs_fileno(xs), EV_READ);
	d->xs_io.data = en;
	ev_io_start(en->loop, &d->xs_io);
	return 0;
}

static int open_own(struct engine *en, struct err *e)
{
	int rc = xen_evtchn_bind_virq(en->x, VIRQ_DOM_EXC, &en->deaths->virq_port);

	if (rc == -EEXIST || rc == -EBUSY)
		return err_set(e, EBUSY,
			       "store=own: another program (xenstored?) owns the notices of dying "
			       "domains; "
			       "end it or use store=beside");
	if (rc < 0)
		return err_sys(e, -rc, "store=own: bind VIRQ_DOM_EXC");
	return 0;
}

int death_open(struct engine *en, struct err *e)
{
	enum store_mode mode = en->conf.store;
	struct deaths *d = calloc(1, sizeof(*d));

	if (!d)
		return err_set(e, ENOMEM, "out of memory");
	en->deaths = d;
	ev_init(&d->scan, on_scan);
	d->scan.data = en;
	d->poll_s = POLL_MAX_S;
	if (mode == STORE_AUTO)
		mode = xenstored_runs() ? STORE_BESIDE : STORE_OWN;
	en->store = mode;
	return mode == STORE_BESIDE ? open_beside(en, e) : open_own(en, e);
}

void death_close(struct engine *en)
{
	struct deaths *d = en->deaths;

	if (!d)
		return;
	ev_timer_stop(en->loop, &d->scan);
	if (d->xs) {
		ev_io_stop(en->loop, &d->xs_io);
		xs_close(d->xs);
	}
	if (d->virq_port)
		(void)xen_evtchn_unbind(en->x, d->virq_port);
	free(d);
	en->deaths = NULL;
}
