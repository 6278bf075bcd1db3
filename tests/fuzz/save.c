/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as a saved VM: its checksums are made right, so that what lies behind them is reached.
 * What is taken must be within its memory, and fill a shell or be refused with words. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <string.h>
#include <unistd.h>

#include "libdom/live.h"
#include "libdom/save_stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct xen *x;

/* The header as it has to be, but for what the input says of it. */
static void make_right(uint8_t *file, size_t size)
{
	struct save_header *h = (struct save_header *)(void *)file;
	struct layout l;
	uint64_t need;
	uint64_t end;

	memcpy(h->magic, SAVE_MAGIC, sizeof(h->magic));
	h->version = SAVE_VERSION;
	h->header_bytes = sizeof(*h);
	h->kind = h->kind == SAVE_KIND_LINUX ? SAVE_KIND_LINUX : SAVE_KIND_NOXS;
	h->compression = 0;
	h->flags &= SAVE_FLAGS | SAVE_FLAG_LIVE;
	h->vendor = cpu_is_amd() ? SAVE_VENDOR_AMD : SAVE_VENDOR_INTEL;
	memset(h->reserved, 0, sizeof(h->reserved));
	if (h->kind == SAVE_KIND_NOXS)
		memset(h->param, 0, sizeof(h->param));
	h->type &= 1;
	h->pages &= 511;
	h->vcpus &= 7;
	h->ring_pages &= 15;
	if (h->kind == SAVE_KIND_NOXS && build_plan(NULL, h->type ? DOM_PVH : DOM_PV, h->pages, 0,
						    0, h->ring_pages, &l, &need, NULL) == 0) {
		h->dev_gfn = l.dev_gfn;
		h->control_gfn = l.control_gfn;
		h->shared_info_gfn = l.shared_gfn;
		h->page_table_gfn = l.tables.gfn;
		h->page_table_pages = l.tables.pages;
		h->grant_gfn = l.grants.gfn;
		h->grant_frames = l.grants.pages;
	}
	if (save_sections(h) <= size - sizeof(*h))
		h->sections_hash = save_hash_of(file + sizeof(*h), save_sections(h));
	end = sizeof(*h) + save_sections(h) + h->present * PAGE_BYTES;
	if (h->present < 16 && end + sizeof(struct save_end) <= size) {
		struct save_end *e = (struct save_end *)(void *)(file + end);

		memcpy(e->magic, SAVE_END_MAGIC, sizeof(e->magic));
		e->pages_hash =
			save_hash_of(file + sizeof(*h) + save_sections(h), h->present * PAGE_BYTES);
	}
	h->header_hash = save_hash_of(h, offsetof(struct save_header, header_hash));
}

/* A stream with rounds: the header, and of the rest what the input says; its last part is another
 * stream, made right likewise, where the input has one. */
static void make_live(uint8_t *file, size_t size)
{
	struct save_header *h = (struct save_header *)(void *)file;
	size_t last;

	h->type = DOM_PVH;
	h->flags = SAVE_FLAG_LIVE | (h->kind == SAVE_KIND_LINUX ? 0 : h->flags & SAVE_FLAG_PLAIN);
	h->cpu_bytes = h->runs = 0;
	h->present = 0;
	make_right(file, size);
	last = sizeof(*h) + save_sections(h);
	if (h->pages < 64 && last + sizeof(struct save_batch) + sizeof(*h) <= size) {
		last += sizeof(struct save_batch);
		memcpy(file + last, h, sizeof(*h));
		((struct save_header *)(void *)(file + last))->flags &= ~SAVE_FLAG_LIVE;
		make_right(file + last, size - last);
	}
}

static void must_have_words(int rc, const struct err *e)
{
	if (rc < 0 && e->msg[0] == '\0')
		__builtin_trap();
}

static void fill(struct save_stream *s)
{
	struct dom_spec spec = {.cap = UINT32_MAX};
	struct save_stats st;
	struct err e = {0};
	struct dom d;
	uint32_t round;
	int rc;

	save_spec(s, &spec);
	if (dom_prepare(x, &spec, NULL, &d, &e) < 0)
		return;
	rc = 0;
	do {
		if (live_is(s))
			rc = live_read(x, s, &d, &round, &e);
	} while (rc == 1);
	if (rc == 0)
		rc = save_restore(x, s, &d, &st, &e);
	must_have_words(rc, &e);
	while (live_read_unmap(x, s))
		;
	(void)dom_destroy(x, &d, NULL);
}

/* Through a pipe, which has room for it. */
static void as_moving(const uint8_t *file, size_t size)
{
	struct save_stream *s;
	struct transfer t;
	struct err e = {0};
	int p[2];
	int rc;

	if (pipe2(p, O_CLOEXEC | O_NONBLOCK) < 0)
		return;
	if (write(p[1], file, size) < 0 || transfer_open(&t, p[0], false, NULL) < 0) {
		(void)close(p[0]);
		(void)close(p[1]);
		return;
	}
	(void)close(p[1]);
	rc = save_open_moving(x, &t, &s, &e);
	must_have_words(rc, &e);
	if (rc == 0)
		fill(s);
	save_close(s);
	transfer_close(&t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct save_stream *s;
	struct transfer t;
	struct err e = {0};
	uint8_t *file;
	int rc;
	int fd;

	if (size < sizeof(struct save_header) || (!x && xen_open(&x, NULL) < 0))
		return 0;
	fd = memfd_create("fuzz", MFD_CLOEXEC);
	if (fd < 0)
		return 0;
	file = malloc(size);
	memcpy(file, data, size);
	make_right(file, size);
	if (write(fd, file, size) == (ssize_t)size && lseek(fd, 0, SEEK_SET) == 0 &&
	    transfer_open(&t, fd, false, NULL) == 0) {
		rc = save_open(x, &t, &s, &e);
		must_have_words(rc, &e);
		if (rc == 0)
			fill(s);
		save_close(s);
		transfer_close(&t);
	}
	if (((const struct save_header *)(const void *)data)->flags & SAVE_FLAG_LIVE) {
		memcpy(file, data, size);
		make_live(file, size);
		as_moving(file, size);
	}
	free(file);
	return 0;
}
