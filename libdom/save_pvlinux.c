/* SPDX-License-Identifier: BSD-3-Clause */
/* Saves PV guests without noxs, mainly Linux: a child process of libxenguest writes the stream, and
 * this thread moves it to the file. */
#include "libdom/save_pvlinux.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/shared.h"
#include "libdom/save_passing.h"

int save_pv_linux_header(struct xen *x, const struct save_source *from, struct save_header *h,
			 struct err *e)
{
	struct xen_domain_info info;
	uint64_t frames = 0;
	int rc = xen_domain_info(x, from->domid, &info);

	if (rc == 0)
		rc = xen_guest_frames(x, from->domid, &frames);
	if (rc < 0)
		return err_sys(e, -rc, "read the number of frames of domain %u", from->domid);
	if (frames > from->pages + SAVE_PV_LINUX_EXTRA)
		return err_set(e, EOPNOTSUPP, "its kernel says that it has %llu frames: too many",
			       (unsigned long long)frames);
	h->kind = SAVE_KIND_PV_LINUX;
	h->param[0] = frames;
	h->present = save_pv_linux_blocks(info.pages, frames, from->vcpus);
	return 0;
}

/* --- a save --- */

/* 0: the child has closed the pipe. */
static ssize_t read_pipe(struct passing *p, size_t most, struct err *e)
{
	for (;;) {
		ssize_t n = read(p->fd, p->piece, most);
		int rc;

		if (n >= 0)
			return n;
		if (errno != EAGAIN && errno != EINTR)
			return err_sys(e, errno, "read from the child process");
		rc = passing_wait(p, POLLIN, e);
		if (rc < 0)
			return rc;
	}
}

static int put_piece(struct saving *s, struct passing *p, size_t n, struct err *e)
{
	struct iovec iov = {p->piece, n};

	save_hash_add(s->hash, p->piece, n);
	p->moved += n;
	shared_store(&s->st->done, p->records.pages);
	return saving_put(s, &iov, 1, e);
}

static int save_failed(const struct saving *s, int rc, const struct xen_stream_result *r,
		       struct err *e)
{
	return err_set(e, rc == -ENOMEM ? ENOMEM : EIO, "libxenguest could not save domain %u: %s",
		       s->from->domid, r->why[0] ? r->why : strerror(-rc));
}

/* Until the child closes the pipe. */
static int put_stream(struct saving *s, struct passing *p, uint64_t room, struct err *e)
{
	struct xen_stream_result r = {0};
	ssize_t n;
	size_t used = 0;
	int rc = 0;

	do {
		n = read_pipe(p, PASSING_PIECE, e);
		rc = n < 0 ? (int)n : records_check(&p->records, p->piece, (size_t)n, &used, e);
		if (rc == 0 && (used < (size_t)n || p->moved + (size_t)n > room))
			rc = err_set(e, EFBIG,
				     "libxenguest has written more than %llu bytes for domain %u",
				     (unsigned long long)room, s->from->domid);
		if (rc == 0 && n > 0)
			rc = put_piece(s, p, (size_t)n, e);
	} while (rc == 0 && n > 0);
	if (rc < 0)
		return rc;
	rc = passing_result(p, &r);
	if (rc == -ECANCELED)
		return err_set(e, ECANCELED, "cancelled");
	if (rc == 0 && !records_over(&p->records))
		rc = -EPROTO;
	return rc < 0 ? save_failed(s, rc, &r, e) : 0;
}

static int put_zeroes(struct saving *s, struct passing *p, uint64_t n, struct err *e)
{
	int rc = 0;

	memset(p->piece, 0, PASSING_PIECE);
	while (rc == 0 && n) {
		size_t now = n < PASSING_PIECE ? (size_t)n : PASSING_PIECE;

		rc = put_piece(s, p, now, e);
		n -= now;
	}
	return rc;
}

int save_pv_linux_put(struct saving *s, struct err *e)
{
	const struct xen_stream_want w = {.domid = s->from->domid, .frames = s->h.param[0]};
	uint64_t room = s->h.present * PAGE_BYTES;
	struct passing *p;
	int rc = passing_begin(&w, s->h.vcpus, s->to, &p, e);

	if (rc == 0)
		rc = put_stream(s, p, room, e);
	if (rc == 0)
		rc = put_zeroes(s, p, room - p->moved, e);
	if (rc == 0)
		shared_store(&s->st->present, p->records.pages);
	passing_end(p);
	return rc;
}
