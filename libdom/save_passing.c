/* SPDX-License-Identifier: BSD-3-Clause */
/* The child process with libxenguest's stream (base/xen.h), and its pipe. */
#include "libdom/save_passing.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

int passing_begin(const struct xen_stream_want *w, uint32_t vcpus, struct transfer *file,
		  struct passing **out, struct err *e)
{
	struct passing *p = calloc(1, sizeof(*p));
	int rc;

	*out = p;
	if (!p)
		return err_set(e, ENOMEM, "out of memory");
	p->file = file;
	p->fd = -1;
	records_begin(&p->records, w->frames, vcpus);
	p->hash = save_hash_new();
	if (!p->hash)
		return err_set(e, ENOMEM, "out of memory");
	rc = xen_stream_begin(w, &p->child, &p->fd);
	return rc < 0 ? err_sys(e, -rc, "start the child process for domain %u", w->domid) : 0;
}

static int end_child(struct passing *p, bool stop, struct xen_stream_result *r)
{
	struct xen_stream *child = p->child;

	if (p->fd >= 0)
		(void)close(p->fd);
	p->fd = -1;
	p->child = NULL;
	return child ? xen_stream_end(child, stop, r) : 0;
}

int passing_result(struct passing *p, struct xen_stream_result *r)
{
	int rc;

	if (p->fd >= 0)
		(void)close(p->fd);
	p->fd = -1;
	rc = xen_stream_wait(p->child, p->file->cancel);
	if (rc < 0) {
		(void)end_child(p, true, r);
		return rc;
	}
	return end_child(p, false, r);
}

int passing_wait(const struct passing *p, short events, struct err *e)
{
	struct pollfd f[2] = {{.fd = p->fd, .events = events},
			      {.fd = p->file->cancel, .events = POLLIN}};

	while (poll(f, 2, -1) < 0)
		if (errno != EINTR)
			return err_sys(e, errno, "wait for the child process");
	return transfer_is_cancelled(p->file) ? err_set(e, ECANCELED, "cancelled") : 0;
}

void passing_end(struct passing *p)
{
	struct xen_stream_result r;

	if (!p)
		return;
	(void)end_child(p, true, &r);
	save_hash_drop(p->hash);
	free(p);
}
