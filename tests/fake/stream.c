/* SPDX-License-Identifier: BSD-3-Clause */
/* libxenguest's stream: a thread in place of the child process. */
#include "tests/fake/private.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/mman.h>

#define BATCH 1024u

struct xen_stream {
	pthread_t thread;
	struct xen_stream_want want;
	enum fake_stream how;
	int fd, rc;
	int stop[2]; /* a pipe, for one that sleeps */
	struct xen_stream_result r;
};

static enum fake_stream next;

void fake_stream(enum fake_stream how)
{
	next = how;
}

/* --- a save --- */

static bool put(struct xen_stream *s, const void *data, size_t n)
{
	const uint8_t *at = data;

	while (n) {
		ssize_t done = write(s->fd, at, n);

		if (done < 0)
			return false;
		at += done;
		n -= (size_t)done;
	}
	return true;
}

static bool put_record(struct xen_stream *s, uint32_t type, const void *data, uint32_t bytes)
{
	uint32_t head[2] = {type, bytes};

	return put(s, head, sizeof(head)) && put(s, data, bytes);
}

static bool put_first(struct xen_stream *s)
{
	static const uint8_t first[40] = {255, 255, 255, 255, 255, 255, 255, 255,      'X',
					  'E', 'N', 'F', 0,   0,   0,	3,   [24] = 1, [28] = 12};
	const uint8_t info[8] = {8, 4};

	return put(s, first, sizeof(first)) && put_record(s, 0x10, NULL, 0) &&
	       put_record(s, 2, info, sizeof(info));
}

static bool put_pages(struct xen_stream *s)
{
	for (uint64_t at = 0; at < s->want.frames; at += BATCH) {
		uint32_t n = (uint32_t)(s->want.frames - at < BATCH ? s->want.frames - at : BATCH);
		uint32_t head[4] = {1, 8 + n * (8 + PAGE), n, 0};

		if (!put(s, head, sizeof(head)))
			return false;
		for (uint64_t i = at; i < at + n; i++)
			if (!put(s, &i, sizeof(i)))
				return false;
		for (uint64_t i = at; i < at + n; i++) {
			uint8_t *page = fake_page(s->want.domid, i);
			bool ok = page && put(s, page, PAGE);

			if (page)
				(void)munmap(page, PAGE);
			if (!ok)
				return false;
		}
	}
	return true;
}

static int save(struct xen_stream *s)
{
	if (!put_first(s) || !put_pages(s))
		return -EPIPE;
	if (s->how == FAKE_STREAM_CUT)
		return 0;
	while (s->how == FAKE_STREAM_LONG && put_pages(s))
		;
	return put_record(s, 0, NULL, 0) ? 0 : -EPIPE;
}

/* --- a restore --- */

static bool get(struct xen_stream *s, void *to, size_t n)
{
	uint8_t *at = to;

	while (n) {
		ssize_t done = read(s->fd, at, n);

		if (done <= 0)
			return false;
		at += done;
		n -= (size_t)done;
	}
	return true;
}

static bool get_pages(struct xen_stream *s)
{
	uint64_t frame[BATCH];
	uint32_t n[2];
	bool ok = get(s, n, sizeof(n)) && get(s, frame, n[0] * sizeof(frame[0]));

	for (uint32_t i = 0; ok && i < n[0]; i++) {
		uint8_t *page = fake_page(s->want.domid, frame[i]);

		ok = page && get(s, page, PAGE);
		if (page)
			(void)munmap(page, PAGE);
	}
	return ok;
}

static int restore(struct xen_stream *s)
{
	uint8_t buf[40];
	uint32_t head[2];

	if (!get(s, buf, sizeof(buf)))
		return -EPROTO;
	for (;;) {
		if (!get(s, head, sizeof(head)))
			return -EPROTO;
		if (head[0] == 0)
			break;
		if (head[0] == 1 ? !get_pages(s) : !get(s, buf, head[1]))
			return -EPROTO;
	}
	s->r.store_mfn = s->want.frames - 2;
	s->r.console_mfn = s->want.frames - 1;
	return 0;
}

/* --- */

/* It does its work, and does not end then. */
static int sleep_on(struct xen_stream *s)
{
	struct pollfd p = {.fd = s->stop[0], .events = POLLIN};
	int rc = s->want.restore ? restore(s) : save(s);

	(void)close(s->fd);
	s->fd = -1;
	(void)poll(&p, 1, -1);
	return rc < 0 ? rc : -EINTR;
}

static void *run(void *arg)
{
	struct xen_stream *s = arg;

	if (s->how == FAKE_STREAM_KILLED)
		s->rc = -EINTR;
	else if (s->how == FAKE_STREAM_ASLEEP)
		s->rc = sleep_on(s);
	else
		s->rc = s->want.restore ? restore(s) : save(s);
	(void)close(s->fd);
	return NULL;
}

int xen_stream_begin(const struct xen_stream_want *w, struct xen_stream **out, int *fd)
{
	struct xen_stream *s;
	int p[2];

	ENTER();
	*out = NULL;
	s = calloc(1, sizeof(*s));
	if (!s || pipe2(p, O_CLOEXEC) < 0 || pipe2(s->stop, O_CLOEXEC) < 0) {
		free(s);
		return fake_leave(-ENOMEM);
	}
	s->want = *w;
	s->how = next;
	*fd = p[w->restore ? 1 : 0];
	s->fd = p[w->restore ? 0 : 1];
	(void)fcntl(*fd, F_SETFL, O_NONBLOCK);
	if (pthread_create(&s->thread, NULL, run, s) != 0)
		abort();
	*out = s;
	return fake_leave(0);
}

int xen_stream_wait(const struct xen_stream *s, int cancel)
{
	struct pollfd p = {.fd = cancel, .events = POLLIN};

	if (s->how != FAKE_STREAM_ASLEEP)
		return 0;
	while (poll(&p, 1, -1) < 0)
		if (errno != EINTR)
			return -errno;
	return -ECANCELED;
}

int xen_stream_end(struct xen_stream *s, bool stop, struct xen_stream_result *r)
{
	int rc;

	if (stop && write(s->stop[1], "", 1) != 1)
		abort();
	(void)pthread_join(s->thread, NULL);
	(void)close(s->stop[0]);
	(void)close(s->stop[1]);
	*r = s->r;
	rc = s->rc;
	if (rc < 0)
		(void)snprintf(r->why, sizeof(r->why), "the fake says so");
	free(s);
	return rc;
}

int xen_guest_frames(struct xen *x, uint32_t domid, uint64_t *frames)
{
	ONE_DOMAIN(*frames = d->is.pages);
}
