/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files that save and restore share. */
#ifndef CHAOS_LIBDOM_SAVE_STREAM_H
#define CHAOS_LIBDOM_SAVE_STREAM_H

#include "base/transfer.h"
#include "libdom/build.h"
#include "libdom/save.h"
#include "libdom/save_format.h"

/* XXH3, 64 bits, in parts. libdom/save_hash.c. */
struct save_hash;
struct save_hash *save_hash_new(void); /* NULL: out of memory */
void save_hash_add(struct save_hash *h, const void *data, size_t bytes);
uint64_t save_hash_end(struct save_hash *h); /* frees it */
void save_hash_drop(struct save_hash *h);    /* NULL is fine */
uint64_t save_hash_of(const void *data, size_t bytes);

static inline uint64_t save_pad(uint64_t bytes)
{
	return (bytes + 7) & ~7ull;
}

/* Bytes of the sections before the pages. */
static inline uint64_t save_sections(const struct save_header *h)
{
	return save_pad(h->owner_bytes) + save_pad(h->feature_words * 4ull) +
	       save_pad(h->cpu_bytes) + h->runs * sizeof(struct save_run);
}

static inline bool save_is_table(uint32_t kind)
{
	return kind >= SAVE_RUN_L1 && kind <= SAVE_RUN_L4;
}

struct save_stream {
	struct transfer *from; /* NULL: it is a template, all of it is here */
	struct save_header h;
	uint8_t *sections; /* save_sections() bytes */
	const uint8_t *owner, *cpu;
	const uint32_t *feature;
	const struct save_run *run;
	off_t pages_at;	  /* of a regular file; -1 of others */
	bool verified;	  /* the pages' checksum was right once */
	uint8_t *pages;	  /* those of a small file, when they are verified; NULL: read again */
	void *source_map; /* of a template: the domain's pages, mapped; NULL: no more */
	uint32_t source_mapped;
	struct save_budget *budget; /* of a template: of which it has `budgeted` bytes; or NULL */
	uint64_t budgeted;
	struct save_info info;
	bool leave_mapped;
	bool keep_generation;	/* it is no copy */
	struct live_maps *maps; /* of the shell's pages; NULL: none */
	struct live_read *live; /* of a stream with batches; NULL: it has none */
};

/* libdom/live_read.c: NULL: no memory; NULL is fine to be freed, and what is mapped is not unmapped
 * by that. */
struct live_read *live_read_new(const struct save_header *h);
void live_read_free(struct live_read *l);
/* Behind the batches: the checksum so far, which is the caller's then; bytes so far. */
struct save_hash *live_read_hash(struct live_read *l);
uint64_t live_read_bytes(const struct live_read *l);
uint64_t live_read_pages(const struct live_read *l); /* in the stream */
/* libdom/save_read.c: another header and its sections in place of the first ones. */
int save_read_last(struct save_stream *s, struct err *e);

/* libdom/save_linux.c: a page that may be in a batch of a live stream: RAM that is the guest's. The
 * others are in its last part in any case. */
bool saving_in_rounds(const struct save_header *h, uint64_t gfn);

/* libdom/save_owner.c: header and sections of the stream with other bytes of the toolstack; *head
 * is malloced, also on failure. -E2BIG, -ENOMEM. */
int save_head_for(const struct save_stream *s, const void *owner, uint32_t bytes,
		  struct save_header *h, uint8_t **head, struct err *e);

/* libdom/save_read.c: s->info, of the header; where the sections are, of the header and
 * s->sections. */
void save_describe(struct save_stream *s);
void save_find_sections(struct save_stream *s);

/* libdom/save_check.c: what a header, and then the sections, may say; nothing is read or allocated.
 * -EPROTO, -EOPNOTSUPP or -EINVAL with one line. */
int save_check_header(const struct save_header *h, struct err *e);
int save_check_live_header(const struct save_header *h, struct err *e); /* SAVE_FLAG_LIVE */
int save_check_sections(const struct save_stream *s, struct err *e);

/* Xen's records of a PVH domain of so many vCPUs: HEADER, then those that such domains have, END.
 */
bool save_is_chain(const void *records, uint32_t bytes, uint32_t vcpus);
/* A vCPU's state in a stream; NULL behind the last. *at goes from 0 on. */
const struct save_cpu *save_next_cpu(const struct save_stream *s, uint32_t *at);

/* libdom/save_pv.c: machine frames of a PV guest's own, by walking the page tables of its vCPUs:
 * frame[] gets `pages` of them, and all of them must be mapped. */
struct save_pv {
	struct xen *x;
	uint32_t domid;
	const struct layout *l;
	xen_pfn_t *frame; /* by guest frame; allocated and freed by the caller */
	uint64_t shared_mfn;
	uint64_t grant_mfn[XEN_GRANT_FRAMES];
};
int save_pv_frames(struct save_pv *p, const uint64_t *cr3, uint32_t n, struct err *e);
/* The same without a walk, where the builder has noted them; false: it has not. Whether they are
 * still its frames is to be seen: save_pv_kept(). */
bool save_pv_noted(struct save_pv *p, const struct dom_frames *noted);
/* The same out of the builder's table pages, mapped side by side: of them alone nothing is known.
 */
int save_pv_listed(struct save_pv *p, const uint64_t *entry);
/* The builder's table pages, mapped side by side, are as it made them: then all of memory is what
 * was noted. */
bool save_pv_kept(const struct save_pv *p, const uint64_t *entry);
/* A machine frame of a page table's entry or a register into a guest frame, or the way back;
 * UINT64_MAX: it is none that the guest may have. */
uint64_t save_pv_gfn(const struct save_pv *p, uint64_t mfn);
uint64_t save_pv_mfn(const struct save_pv *p, uint64_t gfn);
/* A page table of a level in the form of the stream, in place; -EOPNOTSUPP: it maps what is not the
 * guest's. And the way back; -EPROTO. */
int save_pv_table_out(const struct save_pv *p, uint64_t *entry, int level, struct err *e);
int save_pv_table_in(const struct save_pv *p, uint64_t *entry, int level, struct err *e);
/* Tables in the form of the stream, page_table_pages of them, are as the builder makes them. */
bool save_pv_own_tables(const struct layout *l, const uint64_t *entry);

/* libdom/save_cpu.c: states of all vCPUs as they go into a stream. */
struct save_cpus {
	uint8_t *data; /* freed by save_cpus_drop() */
	uint32_t bytes, room;
	uint64_t cr3[2 * DOM_MAX_VCPUS]; /* PV: machine frames of all top tables in use */
	uint32_t ncr3;
	bool simple; /* PV: one address space, no descriptor tables */
};
int save_cpus_get(struct xen *x, const struct save_source *from, bool plain, struct save_cpus *c,
		  struct err *e);
/* PV: into the form of the stream. */
int save_cpus_out(const struct save_pv *p, struct save_cpus *c, struct err *e);
void save_cpus_drop(struct save_cpus *c);
/* Gives them to a domain; `p` of PV. */
int save_cpus_set(struct xen *x, const struct save_stream *s, const struct dom *d,
		  const struct save_pv *p, struct err *e);

#endif
