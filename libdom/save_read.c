/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads a stream up to its pages, and its pages without a domain. */
#include "libdom/live.h"
#include "libdom/save_stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libdom/live_maps.h"

/* Exactly so many bytes. */
static int read_exactly(struct transfer *t, void *to, size_t bytes, struct err *e)
{
	struct iovec iov = {to, bytes};
	ssize_t n = transfer_read(t, &iov, 1);

	if (n < 0)
		return err_sys(e, (int)-n, "read the saved VM");
	if ((size_t)n < bytes)
		return err_set(e, EPROTO, "the file is cut: it ends too soon");
	return 0;
}

/* For regular files the length shows whether the stream is complete; and they can be read twice. */
static int check_length(struct save_stream *s, struct err *e)
{
	struct stat st;
	off_t at;

	s->pages_at = -1;
	if (fstat(s->from->fd, &st) < 0)
		return err_sys(e, errno, "examine the saved VM");
	if (!S_ISREG(st.st_mode))
		return 0;
	at = lseek(s->from->fd, 0, SEEK_CUR);
	if (at < 0)
		return err_sys(e, errno, "examine the saved VM");
	if ((uint64_t)st.st_size < (uint64_t)at ||
	    (uint64_t)st.st_size - (uint64_t)at < s->info.bytes - sizeof(s->h))
		return err_set(e, EPROTO, "the file is cut: it has %llu bytes of %llu",
			       (unsigned long long)st.st_size,
			       (unsigned long long)s->info.bytes + (unsigned long long)at -
				       sizeof(s->h));
	s->pages_at = at + (off_t)save_sections(&s->h);
	return 0;
}

static uint64_t bytes_of(const struct save_header *h)
{
	return sizeof(*h) + save_sections(h) + h->present * PAGE_BYTES + sizeof(struct save_end);
}

int save_size(const void *header, uint64_t *bytes, struct err *e)
{
	struct save_header h;
	int rc;

	_Static_assert(sizeof(h) == SAVE_HEADER_BYTES, "header");
	memcpy(&h, header, sizeof(h));
	rc = save_check_header(&h, e);
	*bytes = rc < 0 ? 0 : bytes_of(&h);
	return rc;
}

void save_describe(struct save_stream *s)
{
	const struct save_header *h = &s->h;

	s->info = (struct save_info){
		.type = h->type == DOM_PVH ? DOM_PVH : DOM_PV,
		.vcpus = h->vcpus,
		.pages = h->pages,
		.present = h->present,
		.bytes = bytes_of(h),
		.ring_pages = h->ring_pages,
		.saved_ns = h->saved_ns,
		.limits = {h->limit[0], h->limit[1], h->limit[2], h->limit[3], h->limit[4]},
		.linux_guest = h->kind != SAVE_KIND_NOXS,
		.owner_bytes = h->owner_bytes,
	};
}

/* What the host must be able to do. */
static int check_host(struct xen *x, const struct save_stream *s, struct err *e)
{
	struct save_needs n = {.vendor = s->h.vendor, .words = s->h.feature_words};

	memcpy(n.feature, s->feature, n.words * sizeof(n.feature[0]));
	return save_check_needs(x, s->info.type, &n, e);
}

void save_find_sections(struct save_stream *s)
{
	const uint8_t *at = s->sections;

	s->owner = at;
	at += save_pad(s->h.owner_bytes);
	s->feature = (const uint32_t *)(const void *)at;
	at += save_pad(s->h.feature_words * 4ull);
	s->cpu = at;
	at += save_pad(s->h.cpu_bytes);
	s->run = (const struct save_run *)(const void *)at;
	s->info.owner = s->owner;
}

static int read_sections(struct save_stream *s, struct err *e)
{
	uint64_t bytes = save_sections(&s->h);

	s->sections = malloc(bytes + 1); /* some MiB at the most: save_check_header() */
	if (!s->sections)
		return err_set(e, ENOMEM, "out of memory");
	save_find_sections(s);
	return read_exactly(s->from, s->sections, bytes, e);
}

static int check_first(struct save_stream *s, bool live, struct err *e)
{
	int rc = live ? save_check_live_header(&s->h, e) : save_check_header(&s->h, e);

	if (rc < 0)
		return rc;
	save_describe(s);
	if (!(s->h.flags & SAVE_FLAG_LIVE))
		return check_length(s, e);
	if (!s->from->polled)
		return err_set(e, EPROTO, "the stream of a migration cannot be read from a file");
	s->pages_at = -1;
	s->live = live_read_new(&s->h);
	return s->live ? 0 : err_set(e, ENOMEM, "out of memory");
}

static int open_stream(struct xen *x, struct transfer *from, bool live, struct save_stream **out,
		       struct err *e)
{
	struct save_stream *s = calloc(1, sizeof(*s));
	int rc;

	*out = NULL;
	if (!s)
		return err_set(e, ENOMEM, "out of memory");
	s->from = from;
	rc = read_exactly(from, &s->h, sizeof(s->h), e);
	if (rc == 0)
		rc = check_first(s, live, e);
	if (rc == 0)
		rc = read_sections(s, e);
	if (rc == 0)
		rc = save_check_sections(s, e);
	if (rc == 0 && x)
		rc = check_host(x, s, e);
	if (rc < 0) {
		save_close(s);
		return rc;
	}
	*out = s;
	return 0;
}

int save_open(struct xen *x, struct transfer *from, struct save_stream **out, struct err *e)
{
	return open_stream(x, from, false, out, e);
}

int save_open_moving(struct xen *x, struct transfer *from, struct save_stream **out, struct err *e)
{
	return open_stream(x, from, true, out, e);
}

/* Checks that it is still the same guest. */
static bool is_same(const struct save_header *a, const struct save_header *b)
{
	return a->kind == b->kind && (a->flags & ~SAVE_FLAG_LIVE) == b->flags &&
	       a->type == b->type &&
	       memcmp(&a->pages, &b->pages,
		      offsetof(struct save_header, image_end_gfn) -
			      offsetof(struct save_header, pages)) == 0;
}

int save_read_last(struct save_stream *s, struct err *e)
{
	struct save_header first = s->h;
	int rc = read_exactly(s->from, &s->h, sizeof(s->h), e);

	if (rc == 0)
		rc = save_check_header(&s->h, e);
	if (rc == 0 && (!is_same(&first, &s->h) || s->h.owner_bytes || s->h.feature_words))
		rc = err_set(e, EPROTO, "the file is damaged: its last part is of another VM");
	free(s->sections);
	s->sections = NULL;
	s->info.owner = NULL;
	if (rc == 0)
		rc = read_sections(s, e);
	return rc < 0 ? rc : save_check_sections(s, e);
}

const struct save_info *save_info(const struct save_stream *s)
{
	return &s->info;
}

void save_spec(const struct save_stream *s, struct dom_spec *spec)
{
	spec->type = s->info.type;
	spec->mem_kib = spec->maxmem_kib = s->info.pages * 4;
	spec->vcpus = s->info.vcpus;
	spec->limits = s->info.limits;
	spec->ring_pages = s->info.ring_pages;
	spec->for_linux = s->info.linux_guest;
	spec->empty = s->info.linux_guest && !s->live;
}

bool save_in_memory(const struct save_stream *s)
{
	return s->pages != NULL;
}

void save_close(struct save_stream *s)
{
	if (!s)
		return;
	if (s->budget)
		(void)__atomic_sub_fetch(&s->budget->used, s->budgeted, __ATOMIC_RELAXED);
	live_read_free(s->live);
	if (s->maps)
		live_maps_free(s->maps);
	free(s->maps);
	free(s->sections);
	free(s->pages);
	free(s);
}

/* --- the pages alone --- */

#define AT_ONCE (32u << 10)

/* Reads all of it in pieces, and checks for a cancel between them; `keep`: stores the pieces one
 * after the other. */
static int hash_pages(struct save_stream *s, struct save_hash *hash, uint8_t *buf, bool keep,
		      struct err *e)
{
	uint64_t left = s->h.present * PAGE_BYTES;
	off_t at = s->pages_at;

	while (left) {
		size_t want = left < AT_ONCE ? (size_t)left : AT_ONCE;
		ssize_t n = pread(s->from->fd, buf, want, at);

		if (transfer_is_cancelled(s->from))
			return err_set(e, ECANCELED, "cancelled");
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, errno, "read the saved VM");
		if (n == 0)
			return err_set(e, EPROTO, "the file is cut: it ends within its pages");
		save_hash_add(hash, buf, (size_t)n);
		buf += keep ? n : 0;
		at += n;
		left -= (uint64_t)n;
	}
	return 0;
}

static int compare_end(struct save_stream *s, uint64_t hash, struct err *e)
{
	struct save_end end;
	ssize_t n = pread(s->from->fd, &end, sizeof(end),
			  s->pages_at + (off_t)(s->h.present * PAGE_BYTES));

	if (n != sizeof(end))
		return err_set(e, EPROTO, "the file is cut: its end is missing");
	if (memcmp(end.magic, SAVE_END_MAGIC, sizeof(end.magic)) != 0 || end.pages_hash != hash)
		return err_set(e, EPROTO,
			       "the file is damaged: the checksum of its pages is wrong");
	return 0;
}

bool save_is_small(const struct save_stream *s)
{
	return s->h.kind != SAVE_KIND_PV_LINUX && s->h.present * PAGE_BYTES <= SAVE_SMALL_BYTES;
}

bool save_is_read(const struct save_stream *s)
{
	return s->pages != NULL;
}

int save_verify(struct save_stream *s, struct err *e)
{
	bool keep = save_is_small(s); /* then the file is read once */
	struct save_hash *hash;
	uint8_t *buf;
	int rc;

	if (s->pages_at < 0 || s->verified)
		return 0;
	hash = save_hash_new();
	buf = malloc(keep ? s->h.present * PAGE_BYTES + 1 : AT_ONCE);
	if (!hash || !buf) {
		rc = err_set(e, ENOMEM, "out of memory");
		goto out;
	}
	rc = hash_pages(s, hash, buf, keep, e);
	if (rc == 0) {
		rc = compare_end(s, save_hash_end(hash), e);
		hash = NULL;
	}
	s->verified = rc == 0;
	if (s->verified && keep) {
		s->pages = buf;
		buf = NULL;
	}
out:
	save_hash_drop(hash);
	free(buf);
	return rc;
}
