/* SPDX-License-Identifier: BSD-3-Clause */
/* The process chaos-backend: finds or starts it, handles its messages and its end. */
#include "split-toolstack/engine/devices/device.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "backend/client.h"
#include "split-toolstack/engine/devices/backend.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/vm/parts.h"

#define SOCKET_NAME "backend.sock"
/* If it ends again within this time, its devices are not attached a third time: one of them may
 * be the cause. */
#define AGAIN_S 10.0

struct user_backend {
	struct backend_client *client; /* NULL: not connected */
	ev_io read, write;
	bool started;	/* by chaosd, without devices */
	bool answered;	/* ... or its list has come */
	ev_tstamp lost; /* when one has ended the last time; 0: none has */
};

/* --- its messages --- */

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

static bool is_user(const struct device *d)
{
	return d->backend == &user_backend_ops;
}

/* After a restart: the list of its devices. Those that ended, or were closed, while no daemon
 * ran are detached. */
static void on_device(void *arg, const struct backend_device *has)
{
	struct engine *en = arg;
	struct device *d = device_user_find(en, has->head.id);

	if (d && is_user(d) && d->user_state != USER_IDLE) {
		on_attached(arg, has->head.id, 0, "", 0);
		return;
	}
	log_line(LOG_INFO, "op=clean dom=%u: chaos-backend has a device of it", has->domid);
	(void)backend_client_detach(engine_devices(en)->user->client, has->head.id, NULL);
	if (d && is_user(d)) /* otherwise these are nodes of a process that has ended */
		d->user_state = USER_DETACHING;
	user_backend_wants(en);
}

/* Attaches devices that it should have and does not. */
static void on_listed(void *arg)
{
	struct engine *en = arg;
	struct device *d = NULL;
	struct device *tmp;

	engine_devices(en)->user->answered = true;
	HASH_ITER(hh, engine_devices(en)->all, d, tmp)
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
	for (const struct device *d = engine_devices(en)->all; d; d = d->hh.next)
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
	else if (user_backend_started(d->en))
		device_user_attach(d, true);
	else /* the process runs: its list shows which devices it has */
		d->user_state = USER_ATTACHING;
}

static void disconnect(struct engine *en)
{
	struct user_backend *u = engine_devices(en)->user;

	ev_io_stop(engine_loop(en), &u->read);
	ev_io_stop(engine_loop(en), &u->write);
	backend_client_close(u->client);
	u->client = NULL;
}

/* Its devices are attached to the next process. Open requests are lost: for frames as on a wire;
 * a disk with open requests ends (BLK_AGAIN). */
static void lost(struct engine *en, const struct err *why)
{
	struct user_backend *u = engine_devices(en)->user;
	/* A process that never answered was already ending when it was found. */
	bool again = !u->answered || u->lost == 0 || ev_now(engine_loop(en)) - u->lost > AGAIN_S;
	struct device *d = NULL;
	struct device *tmp;
	struct err e = {0};

	if (!has_devices(en)) {
		log_line(LOG_INFO, "%s; it had no devices", err_msg(why));
		disconnect(en);
		return;
	}
	log_line(LOG_ERROR, "%s: %s", err_msg(why),
		 again ? "another process gets its devices"
		       : "it has ended twice: its devices end, too");
	if (u->answered)
		u->lost = ev_now(engine_loop(en));
	disconnect(en);
	if (again && user_backend_open(en, &e) < 0) {
		log_line(LOG_ERROR, "%s", err_msg(&e));
		again = false;
	}
	teardown_hold(en); /* no other one goes inside the walk */
	HASH_ITER(hh, engine_devices(en)->all, d, tmp)
	{
		if (d->user_state != USER_IDLE)
			lost_one(d, again);
	}
	teardown_release(en);
}

static void on_read(struct ev_loop *loop, ev_io *io, int revents)
{
	struct engine *en = io->data;
	struct err e = {0};

	(void)loop;
	(void)revents;
	if (backend_client_read(engine_devices(en)->user->client, &e) < 0)
		lost(en, &e);
}

static void on_write(struct ev_loop *loop, ev_io *io, int revents)
{
	struct engine *en = io->data;
	struct err e = {0};

	(void)loop;
	(void)revents;
	if (backend_client_write(engine_devices(en)->user->client, &e) < 0)
		lost(en, &e);
	else
		user_backend_wants(en);
}

/* --- found, started, left --- */

struct backend_client *user_backend_client(const struct engine *en)
{
	return engine_devices(en)->user ? engine_devices(en)->user->client : NULL;
}

bool user_backend_started(const struct engine *en)
{
	return engine_devices(en)->user && engine_devices(en)->user->started;
}

void user_backend_wants(struct engine *en)
{
	struct user_backend *u = engine_devices(en)->user;

	if (!user_backend_client(en))
		return;
	if (backend_client_wants_write(u->client))
		ev_io_start(engine_loop(en), &u->write);
	else
		ev_io_stop(engine_loop(en), &u->write);
}

static int connect_or_start(struct engine *en, bool start, struct err *e)
{
	struct user_backend *u =
		engine_devices(en)->user ? engine_devices(en)->user : calloc(1, sizeof(*u));
	char path[108];
	int rc;

	if (!u)
		return err_set(e, ENOMEM, "out of memory");
	engine_devices(en)->user = u;
	if (u->client)
		return 0;
	if (snprintf(path, sizeof(path), "%s/" SOCKET_NAME, engine_settings(en)->run_dir) >=
	    (int)sizeof(path))
		return err_set(e, ENAMETOOLONG, "run_dir \"%s\": too long",
			       engine_settings(en)->run_dir);
	rc = backend_client_open(&u->client, path, start ? engine_settings(en)->backend_exe : NULL,
				 engine_settings(en)->backend_user, &calls, en, &u->started, e);
	if (rc < 0)
		return err_wrap(e, rc, "chaos-backend");
	ev_io_init(&u->read, on_read, backend_client_fd(u->client), EV_READ);
	ev_io_init(&u->write, on_write, backend_client_fd(u->client), EV_WRITE);
	u->read.data = en;
	u->write.data = en;
	ev_io_start(engine_loop(en), &u->read);
	u->answered = u->started;
	if (!u->started) {
		(void)backend_client_list(u->client, NULL);
		user_backend_wants(en);
	}
	return 0;
}

int user_backend_open(struct engine *en, struct err *e)
{
	return connect_or_start(en, true, e);
}

bool user_backend_find(struct engine *en)
{
	return connect_or_start(en, false, NULL) == 0;
}

void user_backend_close(struct engine *en)
{
	if (user_backend_client(en))
		disconnect(en);
	free(engine_devices(en)->user);
	engine_devices(en)->user = NULL;
}
