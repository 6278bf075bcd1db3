/* SPDX-License-Identifier: BSD-3-Clause */
/* Finds ended domains: a scan of all domains, and when it is due. */
#include "split-toolstack/engine/services/deaths.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <xen/xen.h>
#include <xenstore.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/unix.h"
#include "split-toolstack/engine/services/domains.h"
#include "split-toolstack/engine/services/ports.h"

/* Scans take at most a tenth of the time. */
#define SHARE 10
/* Beside xenstored: how soon to scan after a hint, and the maximal interval. */
#define POLL_MIN_S 0.001
#define POLL_MAX_S 0.1
/* Interval after a failure of Xen. */
#define RETRY_S 0.1

struct deaths {
	struct ev_loop *loop;
	struct xen *x;
	struct ports *ports;
	enum store_mode mode;
	const struct deaths_ops *ops;
	void *arg;
	uint32_t virq_port; /* 0: beside xenstored */
	struct port_user user;
	struct xs_handle *xs; /* NULL: not beside it */
	ev_io xs_io;
	ev_timer scan;
	uint32_t scans;
	uint64_t scan_end, scan_took; /* ns */
	double poll_s;		      /* beside: until the next look */
};

static void scan_in(struct deaths *d, double seconds)
{
	ev_timer_stop(d->loop, &d->scan);
	ev_timer_set(&d->scan, seconds, 0.);
	ev_timer_start(d->loop, &d->scan);
}

static bool report_domain(const struct xen_domain_info *info, void *arg)
{
	struct deaths *d = arg;

	d->ops->seen(d->arg, d->scans, info);
	return true;
}

void deaths_scan(struct deaths *d)
{
	uint64_t start = clock_ns();
	int rc;

	d->scans++;
	rc = domains_walk(d->x, report_domain, d, NULL);
	if (rc == 0)
		d->ops->over(d->arg, d->scans, start);
	d->scan_end = clock_ns();
	d->scan_took = d->scan_end - start;
	if (rc < 0) /* it is not known what has ended: scan again */
		scan_in(d, RETRY_S);
}

/* Beside xenstored, while any domain exists: the next scan, later each time nothing has ended. */
static void poll_again(struct deaths *d)
{
	double floor = (double)(d->scan_took * SHARE) / 1e9;

	if (d->mode != STORE_BESIDE || !d->ops->any(d->arg))
		return;
	scan_in(d, d->poll_s > floor ? d->poll_s : floor);
	d->poll_s = d->poll_s * 2 < POLL_MAX_S ? d->poll_s * 2 : POLL_MAX_S;
}

static void on_scan(struct ev_loop *loop, ev_timer *t, int revents)
{
	(void)revents;
	ev_timer_stop(loop, t);
	deaths_scan(t->data);
	poll_again(t->data);
}

void deaths_hint(struct deaths *d)
{
	if (d->mode != STORE_BESIDE)
		return;
	d->poll_s = POLL_MIN_S;
	poll_again(d);
}

static void on_event(struct port_user *u)
{
	struct deaths *d = (struct deaths *)(void *)((char *)u - offsetof(struct deaths, user));
	uint64_t next = d->scan_end + d->scan_took * SHARE;
	uint64_t now = clock_ns();

	if (ev_is_active(&d->scan))
		return;
	if (now >= next) {
		deaths_scan(d);
		return;
	}
	scan_in(d, (double)(next - now) / 1e9);
}

/* --- where the news come from --- */

static bool is_listened_on(const char *path)
{
	int fd = unix_connect(path, SOCK_STREAM, 0);

	if (fd >= 0)
		(void)close(fd);
	return fd >= 0;
}

/* A request through the kernel would hang forever without a xenstored; its socket shows whether
 * there is one. */
static bool xenstored_runs(void)
{
	return is_listened_on("/run/xenstored/socket") ||
	       is_listened_on("/var/run/xenstored/socket");
}

static void on_xenstore(struct ev_loop *loop, ev_io *io, int revents)
{
	struct deaths *d = io->data;
	char **event;

	(void)revents;
	while ((event = xs_check_watch(d->xs)) != NULL)
		free(event);
	if (errno != EAGAIN) {
		log_line(LOG_ERROR, "xenstored has ended: ends of domains of other toolstacks are "
				    "noticed later");
		ev_io_stop(loop, io);
		return;
	}
	deaths_hint(d);
}

static int open_beside(struct deaths *d, struct err *e)
{
	struct xs_handle *xs;

	if (!xenstored_runs())
		return err_set(e, ENOENT,
			       "store=beside: no xenstored is running; start it or use store=own");
	xs = xs_open(XS_OPEN_SOCKETONLY);
	if (!xs)
		return err_sys(e, errno, "store=beside: connect to xenstored");
	if (!xs_watch(xs, "@releaseDomain", "chaosd")) {
		int rc = err_sys(e, errno, "store=beside: watch @releaseDomain");

		xs_close(xs);
		return rc;
	}
	d->xs = xs;
	ev_io_init(&d->xs_io, on_xenstore, xs_fileno(xs), EV_READ);
	d->xs_io.data = d;
	ev_io_start(d->loop, &d->xs_io);
	return 0;
}

static int open_own(struct deaths *d, struct err *e)
{
	int rc = xen_evtchn_bind_virq(d->x, VIRQ_DOM_EXC, &d->virq_port);

	if (rc == -EEXIST || rc == -EBUSY)
		return err_set(e, EBUSY,
			       "store=own: another program (xenstored?) has bound VIRQ_DOM_EXC, "
			       "the notification of ended domains; end it or use store=beside");
	if (rc < 0)
		return err_sys(e, -rc, "store=own: bind VIRQ_DOM_EXC");
	d->user.event = on_event;
	rc = ports_listen(d->ports, d->virq_port, &d->user);
	return rc < 0 ? err_set(e, ENOMEM, "out of memory") : 0;
}

int deaths_open(struct ev_loop *loop, struct xen *x, struct ports *ports, enum store_mode mode,
		const struct deaths_ops *ops, void *arg, struct deaths **out, struct err *e)
{
	struct deaths *d = calloc(1, sizeof(*d));
	int rc;

	*out = NULL;
	if (!d)
		return err_set(e, ENOMEM, "out of memory");
	*d = (struct deaths){.loop = loop,
			     .x = x,
			     .ports = ports,
			     .mode = mode,
			     .ops = ops,
			     .arg = arg,
			     .poll_s = POLL_MAX_S};
	ev_init(&d->scan, on_scan);
	d->scan.data = d;
	if (mode == STORE_AUTO)
		d->mode = xenstored_runs() ? STORE_BESIDE : STORE_OWN;
	rc = d->mode == STORE_BESIDE ? open_beside(d, e) : open_own(d, e);
	if (rc < 0)
		deaths_close(d);
	else
		*out = d;
	return rc;
}

void deaths_close(struct deaths *d)
{
	if (!d)
		return;
	ev_timer_stop(d->loop, &d->scan);
	if (d->xs) {
		ev_io_stop(d->loop, &d->xs_io);
		xs_close(d->xs);
	}
	ports_ignore(d->ports, &d->user);
	if (d->virq_port)
		(void)xen_evtchn_unbind(d->x, d->virq_port);
	free(d);
}

enum store_mode deaths_mode(const struct deaths *d)
{
	return d->mode;
}
