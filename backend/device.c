/* SPDX-License-Identifier: BSD-3-Clause */
/* Serving devices: events and readable TAPs lead to passes over rings, and devices take turns. */
#include <errno.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/device.h"

#include "base/log.h"

/* The loop does not sleep while a device has work left over. */
void device_ready(struct device *dev)
{
	struct devices *d = dev->all;

	if (dev->ready || dev->dying)
		return;
	dev->ready = true;
	dev->ready_next = NULL;
	*d->ready_tail = dev;
	d->ready_tail = &dev->ready_next;
	ev_idle_start(d->loop, &d->busy);
}

static void not_ready(struct device *dev)
{
	struct devices *d = dev->all;
	struct device **p = &d->ready;

	if (!dev->ready)
		return;
	while (*p != dev)
		p = &(*p)->ready_next;
	*p = dev->ready_next;
	if (!*p)
		d->ready_tail = p;
	dev->ready = false;
	if (!d->ready)
		ev_idle_stop(d->loop, &d->busy);
}

static void poll_device(struct device *dev);

/* One turn for each device that had work left; devices that are added wait for the next round. */
static void on_turn(struct ev_loop *loop, ev_check *w, int events)
{
	struct devices *d = w->data;
	uint32_t n = 0;

	(void)loop;
	(void)events;
	for (struct device *dev = d->ready; dev; dev = dev->ready_next)
		n++;
	for (; n > 0 && d->ready; n--) {
		struct device *dev = d->ready;

		not_ready(dev);
		poll_device(dev);
	}
}

static void on_busy(struct ev_loop *loop, ev_idle *w, int events)
{
	(void)loop;
	(void)w;
	(void)events;
}

static int poll_tap(struct device *dev, struct err *e)
{
	int rc = netback_rx(&dev->net, e);

	/* Without slots the TAP's frames wait in its queue until an event comes. */
	if (dev->net.rx_full && ev_is_active(&dev->tap))
		ev_io_stop(dev->all->loop, &dev->tap);
	else if (!dev->net.rx_full && !ev_is_active(&dev->tap))
		ev_io_start(dev->all->loop, &dev->tap);
	return rc;
}

static int poll_vif(struct device *dev, struct err *e)
{
	uint64_t sent = dev->net.tx.frames;
	int more = netback_tx(&dev->net, e);
	int rc = 0;

	/* A single frame is often a request. The CPU is yielded, so that a program on this CPU
	 * can answer at once. */
	if (more == 0 && dev->net.tx.frames - sent == 1)
		(void)sched_yield();
	/* The answer to a sent frame is often in the TAP by now; and while a frame is held back,
	 * the TAP does not report new ones. */
	if (more >= 0 && (dev->net.rx_full || dev->net.held || dev->net.tx.frames != sent))
		rc = poll_tap(dev, e);
	netback_notify(&dev->net); /* one event for both directions */
	return rc < 0 ? rc : more | rc;
}

static int poll_vbd(struct device *dev, struct err *e)
{
	struct devices *d = dev->all;
	struct blk_job *jobs = NULL;
	int rc = blkback_poll(&dev->blk, d->blk_scratch, &jobs, e);

	/* A single read is often in the page cache; doing it here saves two thread switches. */
	if (jobs && !jobs->next && !dev->queue.first && !dev->blk.no_nowait &&
	    jobs->kind == BLKIF_OP_READ && jobs->sectors <= 128 &&
	    blk_run(jobs, d->blk_scratch, true)) {
		blk_finish(jobs);
		jobs = NULL;
		blkback_publish(&dev->blk);
	}
	if (jobs)
		blk_pool_add(d->pool, &dev->queue, jobs);
	return rc;
}

/* Serves what waits in the rings. */
static void poll_device(struct device *dev)
{
	struct err e = {0};
	int rc;

	if (dev->dying)
		return;
	rc = dev->type == BACKEND_ATTACH_VIF ? poll_vif(dev, &e) : poll_vbd(dev, &e);
	if (rc < 0)
		device_end(dev, -rc, err_msg(&e));
	else if (rc > 0)
		device_ready(dev);
}

void device_tap_ready(struct ev_loop *loop, ev_io *w, int events)
{
	struct device *dev = w->data;
	struct err e = {0};
	int rc = poll_tap(dev, &e);

	netback_notify(&dev->net);
	(void)loop;
	(void)events;
	if (rc < 0)
		device_end(dev, -rc, err_msg(&e));
	else if (rc > 0)
		device_ready(dev);
}

static void on_event(struct ev_loop *loop, ev_io *w, int events)
{
	struct devices *d = w->data;
	xenevtchn_port_or_error_t port = xenevtchn_pending(d->evt);
	struct device *dev;

	(void)loop;
	(void)events;
	if (port < 0)
		return;
	dev = (uint32_t)port < d->ports ? d->by_port[port].dev : NULL;
	if (dev)
		poll_device(dev);
	/* The port was masked until here, so that a guest that sends many events gets one turn
	 * in each round. A device that has ended was unbound. */
	if ((uint32_t)port < d->ports && d->by_port[port].dev)
		(void)xenevtchn_unmask(d->evt, (evtchn_port_t)port);
}

/* --- jobs --- */

static void wake(void *arg)
{
	struct devices *d = arg;

	ev_async_send(d->loop, &d->done);
}

/* A device is published once for each run of its jobs in the list. */
static void on_done(struct ev_loop *loop, ev_async *w, int events)
{
	struct devices *d = w->data;
	struct blk_job *job = blk_pool_take(d->pool);

	(void)loop;
	(void)events;
	while (job) {
		struct blk_job *next = job->next;
		struct blkback *b = job->dev;
		bool last = !next || next->dev != b;

		blk_finish(job);
		if (last) {
			struct device *dev =
				(struct device *)(void *)((char *)b - offsetof(struct device, blk));

			blkback_publish(b);
			if (dev->dying && b->running == 0)
				device_free(dev);
		}
		job = next;
	}
}

/* --- ends --- */

void device_end(struct device *dev, int err, const char *why)
{
	struct devices *d = dev->all;

	if (why) {
		log_line(LOG_WARN, "op=broken id=%llu dom=%u dev=%s reason=\"%s\"",
			 (unsigned long long)dev->id, dev->domid,
			 dev->type == BACKEND_ATTACH_VIF ? "vif" : "vbd", why);
	}
	not_ready(dev);
	if (ev_is_active(&dev->tap))
		ev_io_stop(d->loop, &dev->tap);
	dev->dying = true;
	dev->detached = !why;
	dev->broken = err;
	if (why)
		(void)snprintf(dev->why, sizeof(dev->why), "%s", why);
	if (dev->blk.running == 0)
		device_free(dev);
}

void device_tell(const struct device *dev, struct backend_device *out)
{
	out->head.id = dev->id;
	out->domid = dev->domid;
	out->type = dev->type;
	if (dev->type == BACKEND_ATTACH_VIF) {
		out->frames[0] = dev->net.tx.frames;
		out->frames[1] = dev->net.rx.frames;
		out->bytes[0] = dev->net.tx.bytes;
		out->bytes[1] = dev->net.rx.bytes;
		out->failed = dev->net.tx.dropped + dev->net.rx.dropped;
	} else {
		out->frames[0] = dev->blk.reads;
		out->frames[1] = dev->blk.writes;
		out->bytes[0] = dev->blk.bytes;
		out->failed = dev->blk.failed;
	}
}

/* --- all of them --- */

/* The area's parts, in bytes. */
#define AREA_NET     0
#define AREA_BLK     ((size_t)NET_AREA_PAGES * NET_PAGE)
#define AREA_THREADS (AREA_BLK + (size_t)BLK_SEGMENTS * BLK_PAGE)

static int grant_copy(void *ctx, struct xengnttab_grant_copy_segment *segs, uint32_t n)
{
	struct devices *d = ctx;

	area_name(&d->area, segs, n);
	return xengnttab_grant_copy(d->gnt, n, segs) < 0 ? -errno : 0;
}

static void notify(void *ctx, uint32_t port)
{
	struct devices *d = ctx;

	(void)xenevtchn_notify(d->evt, port);
}

int devices_open(struct devices *d, struct err *e)
{
	d->ready_tail = &d->ready;
	d->gnt = xengnttab_open(NULL, 0);
	if (!d->gnt)
		return err_sys(e, errno, "open the grant device /dev/xen/gntdev");
	d->evt = xenevtchn_open(NULL, 0);
	if (!d->evt)
		return err_sys(e, errno, "open the event channel device /dev/xen/evtchn");
	d->seam = (struct backend_seam){.copy = grant_copy, .notify = notify, .ctx = d};
	if (area_open(&d->area, NET_AREA_PAGES + (1 + BLK_THREADS) * BLK_SEGMENTS) < 0)
		return err_set(e, ENOMEM, "out of memory");
	d->net_scratch = net_scratch_new(d->area.base + AREA_NET);
	d->blk_scratch = blk_scratch_new(d->area.base + AREA_BLK);
	if (!d->net_scratch || !d->blk_scratch)
		return err_set(e, ENOMEM, "out of memory");
	return 0;
}

int devices_start(struct devices *d, struct err *e)
{
	int rc = blk_pool_new(&d->pool, d->area.base + AREA_THREADS, wake, d, e);

	if (rc < 0)
		return rc;
	ev_io_init(&d->events, on_event, xenevtchn_fd(d->evt), EV_READ);
	ev_async_init(&d->done, on_done);
	ev_idle_init(&d->busy, on_busy);
	ev_check_init(&d->turn, on_turn);
	d->events.data = d->done.data = d->busy.data = d->turn.data = d;
	ev_io_start(d->loop, &d->events);
	ev_async_start(d->loop, &d->done);
	ev_check_start(d->loop, &d->turn);
	return 0;
}

void devices_close(struct devices *d)
{
	blk_pool_free(d->pool); /* now nothing else touches a device */
	d->pool = NULL;
	d->tell = NULL;
	while (d->first) {
		not_ready(d->first);
		if (ev_is_active(&d->first->tap))
			ev_io_stop(d->loop, &d->first->tap);
		device_free(d->first);
	}
	net_scratch_free(d->net_scratch);
	blk_scratch_free(d->blk_scratch);
	area_close(&d->area);
	free(d->by_port);
	if (d->evt)
		(void)xenevtchn_close(d->evt);
	if (d->gnt)
		(void)xengnttab_close(d->gnt);
}
