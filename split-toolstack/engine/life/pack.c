/* SPDX-License-Identifier: BSD-3-Clause */
/* Copies snapshots to and from files and pipes of clients, on a thread; a stream that comes in is
 * checked before it gets a name. */
#include "split-toolstack/engine/life/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <utlist.h>

#include "base/log.h"
#include "libdom/save.h"
#include "split-toolstack/engine/life/streams-t.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/life/streams.h"
#include "split-toolstack/engine/services/worker.h"
#include "split-toolstack/engine/vm/record.h"

#define PIECE (256u << 10)

struct pack {
	struct worker_job job;
	struct pack *prev, *next; /* list of the engine */
	struct engine *en;
	stream_id id;
	struct transfer client; /* file or pipe of the client */
	int fd;			/* file in the store; unpack: the file of `made` */
	char name[IMAGE_NAME_MAX + 1];
	char digest[65];		   /* pack */
	struct snapshot_new *made;	   /* unpack */
	struct snapshot what;		   /* unpack: the properties that the stream has */
	uint8_t header[SAVE_HEADER_BYTES]; /* unpack */
	uint64_t size; /* unpack: size of the stream in its header; 0: the header was not read */
	uint64_t bytes;
	snapshot_pack_fn *fn;
	void *arg;
	int rc;
	struct err err;
};

/* --- on a thread --- */

static int copy_out(struct pack *p, uint8_t *buf, struct err *e)
{
	for (;;) {
		ssize_t n = pread(p->fd, buf, PIECE, (off_t)p->bytes);
		struct iovec iov = {buf, n > 0 ? (size_t)n : 0};
		int rc;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, errno, "read snapshot \"%s\"", p->name);
		if (n == 0)
			return 0;
		rc = transfer_write(&p->client, &iov, 1);
		if (rc < 0)
			return err_sys(e, -rc, "write snapshot \"%s\"", p->name);
		p->bytes += (uint64_t)n;
	}
}

static int write_all(int fd, const uint8_t *buf, size_t n)
{
	while (n) {
		ssize_t w = write(fd, buf, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return -errno;
		buf += w;
		n -= (size_t)w;
	}
	return 0;
}

/* The header has the size of the stream: not more is read, and the quota is checked first. */
static int read_header(struct pack *p, struct err *e)
{
	uint32_t at = 0;

	while (at < sizeof(p->header)) {
		struct iovec iov = {p->header + at, sizeof(p->header) - at};
		ssize_t n = transfer_read(&p->client, &iov, 1);

		if (n < 0)
			return err_sys(e, (int)-n, "read snapshot \"%s\"", p->name);
		if (n == 0)
			return err_set(
				e, EPROTO,
				"snapshot \"%s\": the file ends within its header, after %u bytes",
				p->name, at);
		at += (uint32_t)n;
	}
	return save_size(p->header, &p->size, e);
}

static int copy_in(struct pack *p, uint8_t *buf, struct err *e)
{
	int rc = write_all(p->fd, p->header, sizeof(p->header));

	p->bytes = sizeof(p->header);
	while (rc == 0 && p->bytes < p->size) {
		uint64_t left = p->size - p->bytes;
		struct iovec iov = {buf, left < PIECE ? left : PIECE};
		ssize_t n = transfer_read(&p->client, &iov, 1);

		if (n < 0)
			return err_sys(e, (int)-n, "read snapshot \"%s\"", p->name);
		if (n == 0)
			return 0; /* the check reports it */
		rc = write_all(p->fd, buf, (size_t)n);
		p->bytes += (uint64_t)n;
	}
	return rc < 0 ? err_sys(e, -rc, "store snapshot \"%s\"", p->name) : 0;
}

static int describe(struct pack *p, const struct save_info *i, struct err *e)
{
	struct vm_config c;
	int rc;

	vm_config_init(&c);
	rc = vm_undescribe(i->owner, i->owner_bytes, &c, e);
	p->what = (struct snapshot){.type = i->type,
				    .vcpus = i->vcpus,
				    .mem_kib = i->pages * 4,
				    .pages = i->pages,
				    .present = i->present,
				    .foreign = true};
	if (rc == 0) {
		(void)snprintf(p->what.vm, sizeof(p->what.vm), "%s", c.name);
		if (c.snapshot)
			(void)snprintf(p->what.parent, sizeof(p->what.parent), "%s", c.snapshot);
	}
	vm_config_clear(&c);
	return rc;
}

/* Checks the copy, which does not change any more. */
static int check(struct pack *p, struct xen *x, struct err *e)
{
	struct save_stream *s = NULL;
	struct transfer t;
	int fd = fcntl(p->fd, F_DUPFD_CLOEXEC, 0);
	int rc;

	if (fd < 0 || lseek(fd, 0, SEEK_SET) < 0) {
		rc = err_sys(e, errno, "check snapshot \"%s\"", p->name);
		if (fd >= 0)
			(void)close(fd);
		return rc;
	}
	rc = transfer_open(&t, fd, false, e);
	if (rc < 0)
		return rc;
	rc = save_open(x, &t, &s, e);
	if (rc == 0)
		rc = save_verify(s, e);
	if (rc == 0)
		rc = describe(p, save_info(s), e);
	save_close(s);
	transfer_close(&t);
	return rc;
}

static void header_work(struct worker_job *job, struct xen *x)
{
	struct pack *p = (struct pack *)job;

	(void)x;
	p->rc = read_header(p, &p->err);
}

static void job_work(struct worker_job *job, struct xen *x)
{
	struct pack *p = (struct pack *)job;
	uint8_t *buf = malloc(PIECE);

	if (!buf)
		p->rc = err_set(&p->err, ENOMEM, "out of memory");
	else if (!p->made)
		p->rc = copy_out(p, buf, &p->err);
	else if (!x)
		p->rc = streams_no_handle(&p->err);
	else
		p->rc = copy_in(p, buf, &p->err);
	free(buf);
	if (p->made && p->rc == 0)
		p->rc = check(p, x, &p->err);
}

/* --- on the loop --- */

/* It does not count as a running stream any more. */
static void end_stream(struct pack *p)
{
	stream_close(p->en, &p->client);
	DL_DELETE(engine_streams(p->en)->packs, p);
	streams_give(p->en);
}

static void named(void *arg, int rc, const struct snapshot *x, const struct err *e)
{
	struct pack *p = arg;

	p->fn(p->arg, rc, x, p->bytes, e);
	free(p);
}

static void job_done(struct worker_job *job)
{
	struct pack *p = (struct pack *)job;

	end_stream(p);
	if (p->made && p->rc == 0) {
		snapshot_finish(p->made, &p->what, named, p);
		return;
	}
	if (p->made)
		snapshot_give_up(p->made);
	else
		(void)close(p->fd);
	named(p, p->rc, p->made ? NULL : snapshots_by_digest(engine_snapshots(p->en), p->digest),
	      &p->err);
}

static void header_done(struct worker_job *job)
{
	struct pack *p = (struct pack *)job;

	if (p->rc == 0)
		p->rc = snapshot_reserve(p->made, p->size, &p->err);
	p->job = (struct worker_job){.work = job_work, .done = job_done};
	if (p->rc < 0)
		job_done(&p->job);
	else
		worker_push(engine_worker(p->en), WORKER_STREAMS, &p->job);
}

static int begin(struct engine *en, const char *name, int fd, bool out, struct pack **to,
		 stream_id *id, struct err *e)
{
	struct pack *p = calloc(1, sizeof(*p));
	int rc;

	if (!p) {
		(void)close(fd);
		return err_set(e, ENOMEM, "out of memory");
	}
	p->en = en;
	p->fd = -1;
	p->job = (struct worker_job){.work = job_work, .done = job_done};
	(void)snprintf(p->name, sizeof(p->name), "%s", name);
	rc = transfer_open(&p->client, fd, out, e);
	if (rc == 0) {
		rc = streams_take(en, id, e);
		if (rc < 0)
			stream_close(en, &p->client);
	}
	if (rc < 0) {
		free(p);
		return rc;
	}
	p->id = *id;
	DL_APPEND(engine_streams(en)->packs, p);
	*to = p;
	return 0;
}

int snapshot_pack(struct engine *en, const char *name, int fd, snapshot_pack_fn *fn, void *arg,
		  stream_id *id, struct err *e)
{
	const struct snapshot *x = snapshots_find(engine_snapshots(en), name, e);
	struct pack *p = NULL;
	int rc;

	if (!x) {
		(void)close(fd);
		return -ENOENT;
	}
	rc = begin(en, name, fd, true, &p, id, e);
	if (rc < 0)
		return rc;
	memcpy(p->digest, x->digest, sizeof(p->digest));
	p->fn = fn;
	p->arg = arg;
	rc = snapshots_file(engine_snapshots(en), x, &p->fd, e);
	if (rc < 0) {
		end_stream(p);
		free(p);
		return rc;
	}
	worker_push(engine_worker(en), WORKER_STREAMS, &p->job);
	return 0;
}

static void opened(void *arg, int rc, struct snapshot_new *n, int fd, const struct err *e)
{
	struct pack *p = arg;

	if (rc < 0) {
		end_stream(p);
		named(p, rc, NULL, e);
		return;
	}
	p->made = n;
	p->fd = fd;
	p->job = (struct worker_job){.work = header_work, .done = header_done};
	worker_push(engine_worker(p->en), WORKER_STREAMS, &p->job);
}

int snapshot_unpack(struct engine *en, const char *name, int fd, snapshot_pack_fn *fn, void *arg,
		    stream_id *id, struct err *e)
{
	struct pack *p = NULL;
	int rc = begin(en, name, fd, false, &p, id, e);

	if (rc < 0)
		return rc;
	p->fn = fn;
	p->arg = arg;
	rc = snapshot_new(engine_snapshots(en), name, opened, p, e);
	if (rc < 0) {
		end_stream(p);
		free(p);
	}
	return rc;
}

void snapshot_pack_cancel(struct engine *en, stream_id id)
{
	struct pack *p;

	DL_FOREACH(engine_streams(en)->packs, p)
	if (p->id == id)
		transfer_cancel(&p->client);
}

void packs_close(struct engine *en)
{
	for (struct pack *p = engine_streams(en)->packs; p; p = p->next)
		transfer_cancel(&p->client);
}
