/* SPDX-License-Identifier: BSD-3-Clause */
/* The process chaos-backend as the engine sees it: found or started, what it says, and its end. */
#include "split-toolstack/engine/device.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "noxs/backend/client.h"

#define SOCKET_NAME "backend.sock"
/* One that ends again so soon is not given the same devices a third time: one of them may be why.
 */
#define AGAIN_S 10.0

/* --- what it says --- */

static void on_attached(void *arg, uint64_t id, int err, const char *text, uint64_t sectors)
{
	struct device *d = device_user_find(arg, id);
	char why[BACKEND_TEXT + 16];

	(void)sectors;
	if (!d || d->user_state != USER_ATTACHING)
		return;
	if (!err) {
		device_user_attached(d);
		return;
	}
	d->user_state = USER_IDLE;
	(void)snprintf(why, sizeof(why), "chaos-backend: %s", text);
	device_user_broken(d, why);
}

static void on_detached(void *arg, uint64_t id, int err)
{
	struct device *d = device_user_find(arg, id);

	(void)err;
	if (d && d->user_state == USER_DETACHING)
		device_user_detached(d);
}

static void on_broken(void *arg, uint64_t id, int err, const char *text)
{
	struct device *d = device_user_find(arg, id);

	(void)err;
	if (!d || d->user_state == USER_DETACHING)
		return; /* its answer comes */
	d->user_state = USER_IDLE;
	device_user_broken(d, text);
}

/* After a restart: what it has. What ended, or was closed, when nobody looked it is to let go. */
static void on_device(void *arg, const struct backend_device *has)
{
	struct engine *en = arg;
	struct device *d = device_user_find(en, has->head.id);

	if (d && device_is_user(d) && d->user_state != USER_IDLE) {
		on_attached(arg, has->head.id, 0, "", 0);
		return;
	}
	log_line(LOG_INFO, "op=clean dom=%u: chaos-backend has a device of it", has->domid);
	(void)backend_client_detach(en->user, has->head.id, NULL);
	if (d && device_is_user(d)) /* else it is what the store has of one that is gone */
		d->user_state = USER_DETACHING;
	user_backend_wants(en);
}

/* What it was to have, but has not. */
static void on_listed(void *arg)
{
	struct engine *en = arg;
	struct device *d = NULL;
	struct device *tmp;

	en->user_answers = true;
	HASH_ITER(hh, en->devices, d, tmp)
	{
		if (d->user_state != USER_ATTACHING)
			continue; /* one that was sent since is refused the second time */
		d->user_state = USER_IDLE;
		if (!d->reason[0] && d->phase < PHASE_CLOSING)
			device_user_attach(d, true);
	}
}

static const struct backend_calls calls = {.attached = on_attached,
					   .detached = on_detached,
					   .broken = on_broken,
					   .device = on_device,
					   .listed = on_listed};

/* --- its end --- */

static bool has_devices(const struct engine *en)
{
	for (const struct device *d = en->devices; d; d = d->hh.next)
		if (d->user_state != USER_IDLE)
			return true;
	return false;
}

static void lost_one(struct device *d, bool again)
{
	bool detaching = d->user_state == USER_DETACHING;

	d->user_state = USER_IDLE;
	if (detaching || d->phase == PHASE_REMOVING)
		device_user_detached(d);
	else if (!again || d->reason[0] || d->phase >= PHASE_CLOSING)
		device_user_broken(d, "chaos-backend has ended");
	else if (d->en->user_started)
		device_user_attach(d, true);
	else /* it lives: its list tells */
		d->user_state = USER_ATTACHING;
}

/* Its devices go to the next one. What was in flight is lost as on a wire, or, with a disk, the end
 * of the device (BLK_AGAIN). */
static void lost(struct engine *en, const struct err *why)
{
	/* One that never answered was on its way out when it was found. */
	bool again = !en->user_answers || en->user_lost == 0 ||
		     ev_now(en->loop) - en->user_lost > AGAIN_S;
	struct device *d = NULL;
	struct device *tmp;
	struct err e = {0};

	if (!has_devices(en)) {
		log_line(LOG_INFO, "%s; it had no devices", err_msg(why));
		user_backend_close(en);
		return;
	}
	log_line(LOG_ERROR, "%s: %s", err_msg(why),
		 again ? "another one gets its devices" : "it has ended twice: so do its devices");
	if (en->user_answers)
		en->user_lost = ev_now(en->loop);
	user_backend_close(en);
	if (again && user_backend_open(en, &e) < 0) {
		log_line(LOG_ERROR, "%s", err_msg(&e));
		again = false;
	}
	en->removal_busy = true; /* no other one goes inside the walk */
	HASH_ITER(hh, en->devices, d, tmp)
	{
		if (d->user_state != USER_IDLE)
			lost_one(d, again);
	}
	en->removal_busy = false;
	removal_next(en);
}

static void on_read(struct ev_loop *loop, ev_io *io, int revents)
{
	struct engine *en = io->data;
	struct err e = {0};

	(void)loop;
	(void)revents;
	if (backend_client_read(en->user, &e) < 0)
		lost(en, &e);
}

static void on_write(struct ev_loop *loop, ev_io *io, int revents)
{
	struct engine *en = io->data;
	struct err e = {0};

	(void)loop;
	(void)revents;
	if (backend_client_write(en->user, &e) < 0)
		lost(en, &e);
	else
		user_backend_wants(en);
}

/* --- found, started, left --- */

void user_backend_wants(struct engine *en)
{
	if (!en->user)
		return;
	if (backend_client_wants_write(en->user))
		ev_io_start(en->loop, &en->user_write);
	else
		ev_io_stop(en->loop, &en->user_write);
}

static int reach(struct engine *en, bool start, struct err *e)
{
	char path[108];
	int rc;

	if (en->user)
		return 0;
	if (snprintf(path, sizeof(path), "%s/" SOCKET_NAME, en->conf.run_dir) >= (int)sizeof(path))
		return err_set(e, ENAMETOOLONG, "run_dir \"%s\": too long", en->conf.run_dir);
	rc = backend_client_open(&en->user, path, start ? en->conf.backend_exe : NULL,
				 en->conf.backend_user, &calls, en, &en->user_started, e);
	if (rc < 0)
		return err_wrap(e, rc, "chaos-backend");
	ev_io_init(&en->user_read, on_read, backend_client_fd(en->user), EV_READ);
	ev_io_init(&en->user_write, on_write, backend_client_fd(en->user), EV_WRITE);
	en->user_read.data = en;
	en->user_write.data = en;
	ev_io_start(en->loop, &en->user_read);
	en->user_answers = en->user_started;
	if (!en->user_started) {
		(void)backend_client_list(en->user, NULL);
		user_backend_wants(en);
	}
	return 0;
}

int user_backend_open(struct engine *en, struct err *e)
{
	return reach(en, true, e);
}

bool user_backend_find(struct engine *en)
{
	return reach(en, false, NULL) == 0;
}

void user_backend_close(struct engine *en)
{
	if (!en->user)
		return;
	ev_io_stop(en->loop, &en->user_read);
	ev_io_stop(en->loop, &en->user_write);
	backend_client_close(en->user);
	en->user = NULL;
}
