/* SPDX-License-Identifier: BSD-3-Clause */
/* Checks the numbers in a stream, which is hostile data, before they are used. Nothing here
 * reads or allocates. */
#include "libdom/save_linux.h"
#include "libdom/save_pvlinux.h"

#include <errno.h>
#include <string.h>

#include <xen/hvm/save.h>

static int damaged(struct err *e, const char *what)
{
	return err_set(e, EPROTO, "the file is damaged: %s", what);
}

/* --- the header --- */

static bool all_zero(const uint8_t *p, size_t n)
{
	while (n && *p == 0) {
		p++;
		n--;
	}
	return n == 0;
}

static int check_form(const struct save_header *h, bool live, struct err *e)
{
	if (memcmp(h->magic, SAVE_MAGIC, sizeof(h->magic)) != 0)
		return err_set(e, EPROTO, "this is not a saved VM of chaos");
	if (h->version > SAVE_VERSION)
		return err_set(e, EOPNOTSUPP,
			       "it was saved by a newer chaos: format %u, and this one reads %u",
			       h->version, SAVE_VERSION);
	if (h->version != SAVE_VERSION || h->header_bytes != sizeof(*h))
		return damaged(e, "its format or the size of its header is not valid");
	if (h->header_hash != save_hash_of(h, offsetof(struct save_header, header_hash)))
		return damaged(e, "the checksum of its header is wrong");
	if (h->kind < SAVE_KIND_NOXS || h->kind > SAVE_KIND_PV_LINUX)
		return err_set(e, EOPNOTSUPP,
			       "it has a VM of kind %u, which this chaos does not support",
			       h->kind);
	if (h->compression != SAVE_PLAIN_PAGES)
		return err_set(
			e, EOPNOTSUPP,
			"its pages are compressed by method %u, which this chaos does not support",
			h->compression);
	if (h->flags & SAVE_FLAG_LIVE && !live)
		return err_set(e, EPROTO, "it is the stream of a migration, not a saved VM");
	if (h->flags & ~(SAVE_FLAGS | SAVE_FLAG_LIVE) ||
	    !all_zero(h->reserved, sizeof(h->reserved)) ||
	    (h->kind == SAVE_KIND_NOXS && !all_zero((const uint8_t *)h->param, sizeof(h->param))))
		return err_set(e, EOPNOTSUPP,
			       "it has flags or fields that this chaos does not know");
	return 0;
}

static int check_layout(const struct save_header *h, struct err *e)
{
	struct layout l;
	uint64_t need;
	int rc = build_plan(NULL, h->type == DOM_PVH ? DOM_PVH : DOM_PV, h->pages, 0, 0,
			    h->ring_pages, &l, &need, e);

	if (rc == -ENOSPC)
		return damaged(e, "it has too little memory for a guest");
	if (rc < 0)
		return rc;
	if (h->dev_gfn != l.dev_gfn || h->control_gfn != l.control_gfn ||
	    h->shared_info_gfn != l.shared_gfn || h->page_table_gfn != l.tables.gfn ||
	    h->page_table_pages != l.tables.pages || h->grant_gfn != l.grants.gfn ||
	    h->grant_frames != l.grants.pages)
		return err_set(e, EOPNOTSUPP,
			       "this chaos uses another memory layout than the one that saved it");
	if (h->image_end_gfn > l.rings.gfn)
		return damaged(e, "its image ends outside of its memory");
	return 0;
}

/* It is built as it is anyway; what Xen keeps of it is checked by Xen. */
static int check_linux(const struct save_header *h, struct err *e)
{
	if (h->type != DOM_PVH || h->ring_pages || h->flags & ~SAVE_FLAG_LIVE)
		return damaged(e, "its kind and type do not fit");
	if (!save_linux_has(h->pages, h->dev_gfn, 1) ||
	    !save_linux_has(h->pages, h->control_gfn, 1) || h->dev_gfn == h->control_gfn)
		return damaged(e, "its store or console is outside of its memory");
	if (h->shared_info_gfn || h->page_table_gfn || h->page_table_pages || h->grant_gfn ||
	    h->grant_frames || h->image_end_gfn)
		return err_set(e, EOPNOTSUPP,
			       "it has flags or fields that this chaos does not know");
	return 0;
}

/* The stream inside is checked on its way: save_records.c. */
static int check_pv_linux(const struct save_header *h, struct err *e)
{
	uint64_t frames = h->param[0];

	if (h->type != DOM_PV || h->ring_pages || h->flags || h->cpu_bytes || h->runs)
		return damaged(e, "its kind and type do not fit");
	if (frames < 1 || frames > h->pages + SAVE_PV_LINUX_EXTRA)
		return damaged(e, "its number of frames is not valid");
	if (h->present > save_pv_linux_blocks(h->pages + SAVE_LINUX_SPECIAL, frames, h->vcpus))
		return damaged(e, "a section is too large");
	if (h->dev_gfn || h->control_gfn || h->shared_info_gfn || h->page_table_gfn ||
	    h->page_table_pages || h->grant_gfn || h->grant_frames || h->image_end_gfn ||
	    !all_zero((const uint8_t *)&h->param[1], sizeof(h->param) - sizeof(h->param[0])))
		return err_set(e, EOPNOTSUPP,
			       "it has flags or fields that this chaos does not know");
	return 0;
}

static int check_header(const struct save_header *h, bool live, struct err *e)
{
	int rc = check_form(h, live, e);

	if (rc < 0)
		return rc;
	if (h->type != DOM_PV && h->type != DOM_PVH)
		return damaged(e, "its type is not valid");
	if (h->vcpus < 1 || h->vcpus > DOM_MAX_VCPUS)
		return err_set(e, EPROTO, "the file is damaged: %u vCPUs; 1 to %d are possible",
			       h->vcpus, DOM_MAX_VCPUS);
	if (h->pages < 1 || h->pages > SAVE_PAGES_MAX)
		return err_set(e, EPROTO, "the file is damaged: %llu pages of memory",
			       (unsigned long long)h->pages);
	if (h->ring_pages > DOM_RINGS_MAX || h->limit[0] & ~DOM_LIMITS)
		return damaged(e, "its limits are not valid");
	if (h->type == DOM_PVH && h->flags & SAVE_FLAG_OWN_TABLES)
		return damaged(e, "its flags are not valid");
	if (h->vendor != SAVE_VENDOR_AMD && h->vendor != SAVE_VENDOR_INTEL)
		return damaged(e, "its CPU is not valid");
	if (h->owner_bytes > SAVE_OWNER_MAX || h->feature_words > SAVE_FEATURES_MAX ||
	    h->cpu_bytes > h->vcpus * (uint64_t)(SAVE_CPU_MAX + sizeof(struct save_cpu)) ||
	    h->runs > SAVE_RUNS_MAX)
		return damaged(e, "a section is too large");
	if (h->kind == SAVE_KIND_PV_LINUX)
		return check_pv_linux(h, e);
	if (h->present > h->pages + SAVE_LINUX_SPECIAL)
		return damaged(e, "a section is too large");
	return h->kind == SAVE_KIND_LINUX ? check_linux(h, e) : check_layout(h, e);
}

int save_check_header(const struct save_header *h, struct err *e)
{
	return check_header(h, false, e);
}

int save_check_live_header(const struct save_header *h, struct err *e)
{
	int rc = check_header(h, true, e);

	if (rc == 0 && h->flags & SAVE_FLAG_LIVE &&
	    (h->type != DOM_PVH || h->cpu_bytes || h->runs || h->present))
		return damaged(e, "its first header is not valid");
	return rc;
}

/* --- the sections --- */

static bool inside(const struct save_run *r, uint64_t gfn)
{
	return gfn >= r->gfn && gfn - r->gfn < r->pages;
}

static bool overlaps(const struct save_run *r, uint64_t gfn, uint64_t pages)
{
	return pages && r->gfn < gfn + pages && gfn < r->gfn + r->pages;
}

static int check_linux_run(const struct save_header *h, const struct save_run *r, uint64_t from,
			   struct err *e)
{
	if (r->kind != SAVE_RUN_PAGES && r->kind != SAVE_RUN_ZERO)
		return damaged(e, "it has pages of an unknown kind");
	if (r->pages == 0 || r->gfn < from || !save_linux_has(h->pages, r->gfn, r->pages))
		return damaged(e, "it has pages outside of its memory");
	return 0;
}

static int check_run(const struct save_header *h, const struct save_run *r, uint64_t from,
		     struct err *e)
{
	if (h->kind == SAVE_KIND_LINUX)
		return check_linux_run(h, r, from, e);
	if (r->kind < SAVE_RUN_PAGES || r->kind > SAVE_RUN_L4)
		return damaged(e, "it has pages of an unknown kind");
	if (r->pages == 0 || r->gfn < from || r->gfn >= h->pages || r->pages > h->pages - r->gfn)
		return damaged(e, "it has pages outside of its memory");
	if (save_is_table(r->kind) && (h->type != DOM_PV || h->flags & SAVE_FLAG_OWN_TABLES))
		return damaged(e, "it has page tables where none can be");
	if (inside(r, h->dev_gfn) || overlaps(r, h->control_gfn - h->ring_pages, h->ring_pages) ||
	    (h->flags & SAVE_FLAG_OWN_TABLES &&
	     overlaps(r, h->page_table_gfn, h->page_table_pages)))
		return damaged(e, "it has pages that are the toolstack's");
	if (inside(r, h->control_gfn) && r->kind != SAVE_RUN_PAGES)
		return damaged(e, "it has no control page");
	return 0;
}

static int check_runs(const struct save_stream *s, struct err *e)
{
	const struct save_header *h = &s->h;
	bool control = h->kind == SAVE_KIND_LINUX; /* has none */
	bool rings[2] = {!control, !control};
	uint64_t present = 0;
	uint64_t from = 0;

	for (uint32_t i = 0; i < h->runs; i++) {
		const struct save_run *r = &s->run[i];
		int rc = check_run(h, r, from, e);

		if (rc < 0)
			return rc;
		from = r->gfn + r->pages;
		present += r->kind == SAVE_RUN_ZERO ? 0 : r->pages;
		control |= inside(r, h->control_gfn);
		rings[0] |= inside(r, h->dev_gfn);
		rings[1] |= inside(r, h->control_gfn);
	}
	if (!rings[0] || !rings[1])
		return damaged(e, "it has no store or no console");
	if (!control)
		return damaged(e, "it has no control page");
	if (present != h->present)
		return damaged(e, "its numbers of pages differ");
	return 0;
}

const struct save_cpu *save_next_cpu(const struct save_stream *s, uint32_t *at)
{
	const struct save_cpu *c = (const struct save_cpu *)(const void *)(s->cpu + *at);

	if (*at >= s->h.cpu_bytes)
		return NULL;
	*at += (uint32_t)(sizeof(*c) + save_pad(c->bytes));
	return c;
}

/* Xen's records of a domain with local APICs and no other emulated device. Records of other
 * devices are refused, because the shell does not have these devices. */
static bool is_record(const struct hvm_save_descriptor *d, bool first)
{
	static const uint16_t codes[] = {
		HVM_SAVE_CODE(CPU),
		HVM_SAVE_CODE(LAPIC),
		HVM_SAVE_CODE(LAPIC_REGS),
		HVM_SAVE_CODE(PCI_IRQ),
		HVM_SAVE_CODE(ISA_IRQ),
		HVM_SAVE_CODE(PCI_LINK),
		HVM_SAVE_CODE(MTRR),
		HVM_SAVE_CODE(VMCE_VCPU),
		HVM_SAVE_CODE(TSC_ADJUST),
		CPU_XSAVE_CODE,
		CPU_MSR_CODE,
	};

	if (first)
		return d->typecode == HVM_SAVE_CODE(HEADER) &&
		       d->length == HVM_SAVE_LENGTH(HEADER) && d->instance == 0;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (d->typecode == codes[i])
			return true;
	return false;
}

bool save_is_chain(const void *records, uint32_t bytes, uint32_t vcpus)
{
	const uint8_t *p = records;
	struct hvm_save_descriptor d;
	uint32_t at = 0;

	while (bytes - at >= sizeof(d)) {
		bool first = at == 0;

		memcpy(&d, p + at, sizeof(d));
		at += (uint32_t)sizeof(d);
		if (d.length > bytes - at)
			return false;
		at += d.length;
		if (!first && d.typecode == HVM_SAVE_CODE(END))
			return d.length == 0 && at == bytes;
		if (d.instance >= vcpus || !is_record(&d, first))
			return false;
	}
	return false;
}

static bool is_state(const struct save_header *h, const struct save_cpu *c)
{
	if (h->type == DOM_PV)
		return c->bytes == sizeof(vcpu_guest_context_x86_64_t);
	if (h->flags & SAVE_FLAG_PLAIN)
		return c->bytes == HVM_SAVE_LENGTH(CPU);
	return c->vcpu == 0 && save_is_chain(c + 1, c->bytes, h->vcpus);
}

static int check_cpus(const struct save_stream *s, struct err *e)
{
	const struct save_header *h = &s->h;
	uint32_t next = 0;
	uint32_t n = 0;

	for (uint64_t at = 0; at < h->cpu_bytes; n++) {
		const struct save_cpu *c = (const struct save_cpu *)(const void *)(s->cpu + at);
		uint64_t left = h->cpu_bytes - at;

		if (left < sizeof(*c) || save_pad(c->bytes) > left - sizeof(*c) || c->bytes == 0)
			return damaged(e, "the state of a vCPU is cut");
		if (c->vcpu < next || c->vcpu >= h->vcpus)
			return damaged(e, "it has the state of a vCPU that it has not");
		if (!is_state(h, c))
			return damaged(e, "the state of a vCPU is not valid");
		next = c->vcpu + 1;
		at += sizeof(*c) + save_pad(c->bytes);
	}
	return n ? 0 : damaged(e, "it has no vCPU that runs");
}

int save_check_sections(const struct save_stream *s, struct err *e)
{
	int rc;

	if (s->h.sections_hash != save_hash_of(s->sections, save_sections(&s->h)))
		return damaged(e, "the checksum before its pages is wrong");
	/* they come in its last part, or are in libxenguest's stream */
	if (s->h.flags & SAVE_FLAG_LIVE || s->h.kind == SAVE_KIND_PV_LINUX)
		return 0;
	rc = check_cpus(s, e);
	return rc < 0 ? rc : check_runs(s, e);
}
