/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as a saved VM: its checksums are made right, so that what lies behind them is reached.
 * What is taken must be within its memory, and fill a shell or be refused with words. */
#include <stdlib.h>
#include <sys/mman.h>
#include <string.h>
#include <unistd.h>

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
	h->flags &= SAVE_FLAGS;
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
	int rc;

	save_spec(s, &spec);
	if (dom_prepare(x, &spec, NULL, &d, &e) < 0)
		return;
	rc = save_restore(x, s, &d, &st, &e);
	must_have_words(rc, &e);
	(void)dom_destroy(x, &d, NULL);
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
	free(file);
	return 0;
}
