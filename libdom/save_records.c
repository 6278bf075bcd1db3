/* SPDX-License-Identifier: BSD-3-Clause */
/* Checks libxenguest's stream, which is hostile data, before libxenguest reads it: only the kinds
 * of records that a saved PV guest has, and lengths and numbers within the guest. */
#include "libdom/save_records.h"

#include <errno.h>
#include <string.h>

#define MARKER	    UINT64_MAX
#define ID	    0x464e4558u /* "XENF" */
#define VERSION	    3u		/* big-endian, like ID */
#define TYPE_PV	    1u
#define PAGE_SHIFT_ 12u
#define PAGE_BYTES  4096u

#define FIRST_BYTES 40u
#define HEAD_BYTES  8u

enum record {
	END,
	PAGE_DATA,
	PV_INFO,
	P2M_FRAMES,
	VCPU_BASIC,
	VCPU_EXTENDED,
	VCPU_XSAVE,
	SHARED_INFO,
	TSC_INFO,
	VCPU_MSRS = 0xc,
	STATIC_DATA_END = 0x10,
	CPUID_POLICY,
	MSR_POLICY,
};

#define SMALL_MAX   (1u << 20) /* bytes of a record without pages */
#define PER_FRAME   512u       /* frame numbers in a page of the p2m */
#define PFN_MASK    ((1ull << 52) - 1)
#define TYPE_SHIFT  60
#define GUEST_WIDTH 8u /* bytes of a word */
#define PT_LEVELS   4u

static int damaged(struct err *e, const char *what)
{
	return err_set(e, EPROTO, "the file is damaged: %s", what);
}

static uint64_t load(const uint8_t *at, uint32_t bytes)
{
	uint64_t v = 0;

	memcpy(&v, at, bytes);
	return v;
}

static void expect(struct records *r, enum records_at at, uint32_t bytes)
{
	r->at = at;
	r->have = 0;
	r->want = bytes;
}

void records_begin(struct records *r, uint64_t frames, uint32_t vcpus)
{
	r->frames = frames;
	r->vcpus = vcpus;
	r->pages = 0;
	r->left = 0;
	r->type = END;
	r->bytes = 0;
	expect(r, RECORDS_FIRST, FIRST_BYTES);
}

static int check_first(struct records *r, struct err *e)
{
	const uint8_t *p = r->part;

	if (load(p, 8) != MARKER || load(p + 8, 4) != ID ||
	    load(p + 12, 4) != __builtin_bswap32(VERSION) || load(p + 16, 8) != 0)
		return damaged(e, "its stream of Xen has no valid header");
	if (load(p + 24, 4) != TYPE_PV || load(p + 28, 2) != PAGE_SHIFT_)
		return damaged(e, "its stream of Xen is not of a PV guest");
	expect(r, RECORDS_HEAD, HEAD_BYTES);
	return 0;
}

/* Bytes at the beginning of a record that are checked; 0: none. */
static uint32_t start_bytes(const struct records *r)
{
	switch (r->type) {
	case PAGE_DATA:
	case PV_INFO:
	case P2M_FRAMES:
	case VCPU_BASIC:
	case VCPU_EXTENDED:
	case VCPU_XSAVE:
	case VCPU_MSRS:
		return 8;
	default:
		return 0;
	}
}

static bool is_known(uint32_t type)
{
	return type <= TSC_INFO || type == VCPU_MSRS ||
	       (type >= STATIC_DATA_END && type <= MSR_POLICY);
}

static int check_head(struct records *r, struct err *e)
{
	uint32_t start;

	r->type = (uint32_t)load(r->part, 4);
	r->bytes = (uint32_t)load(r->part + 4, 4);
	if (!is_known(r->type))
		return err_set(e, EPROTO,
			       "the file is damaged: its stream of Xen has a record of kind 0x%x",
			       r->type);
	start = start_bytes(r);
	if (r->bytes < start || (r->type == END && r->bytes) ||
	    r->bytes > SMALL_MAX + (r->type == PAGE_DATA ? RECORDS_BATCH * (PAGE_BYTES + 8) : 0) +
			       (r->type == P2M_FRAMES ? r->frames / PER_FRAME * 8 : 0))
		return damaged(e, "a record of its stream of Xen has a wrong length");
	r->left = ((uint64_t)r->bytes + 7) / 8 * 8 - start;
	if (r->type == END)
		expect(r, RECORDS_OVER, 0);
	else if (start)
		expect(r, RECORDS_START, start);
	else
		expect(r, RECORDS_REST, 0);
	return 0;
}

static int check_p2m(const struct records *r, struct err *e)
{
	uint64_t first = load(r->part, 4);
	uint64_t last = load(r->part + 4, 4);

	if (first > last || last >= r->frames)
		return damaged(e, "its stream of Xen has frames outside of the guest");
	if (r->bytes != 8 + (last / PER_FRAME - first / PER_FRAME + 1) * 8)
		return damaged(e, "a record of its stream of Xen has a wrong length");
	return 0;
}

/* XEN_DOMCTL_PFINFO_*: pages, tables of 4 levels, pinned or not; what has no page. */
static bool is_type(uint32_t type, bool *page)
{
	*page = type <= 4 || (type >= 9 && type <= 12);
	return *page || type >= 13;
}

static int check_pages(struct records *r, struct err *e)
{
	uint64_t n = load(r->part, 4);
	uint64_t pages = 0;

	for (uint64_t i = 0; i < n; i++) {
		uint64_t frame = load(r->part + 8 + 8 * i, 8);
		bool page;

		if ((frame & PFN_MASK) >= r->frames)
			return damaged(e, "its stream of Xen has frames outside of the guest");
		if (!is_type((uint32_t)(frame >> TYPE_SHIFT), &page) ||
		    frame & ~(PFN_MASK | 0xfull << TYPE_SHIFT))
			return damaged(e, "its stream of Xen has pages of an unknown kind");
		pages += page;
	}
	if (r->bytes != 8 + 8 * n + pages * PAGE_BYTES)
		return damaged(e, "a record of its stream of Xen has a wrong length");
	r->pages += pages;
	return 0;
}

static int check_start(struct records *r, struct err *e)
{
	uint64_t n = load(r->part, 4);

	switch (r->type) {
	case PAGE_DATA:
		if (r->have > 8)
			return check_pages(r, e);
		if (n < 1 || n > RECORDS_BATCH || r->bytes < 8 + 8 * n)
			return damaged(e, "a record of its stream of Xen has a wrong length");
		r->want = (uint32_t)(8 + 8 * n);
		r->left -= 8 * n;
		return 0;
	case PV_INFO:
		return r->part[0] == GUEST_WIDTH && r->part[1] == PT_LEVELS
			       ? 0
			       : damaged(e, "its stream of Xen is of a guest without 64 bits");
	case P2M_FRAMES:
		return check_p2m(r, e);
	default:
		return n < r->vcpus ? 0 : damaged(e, "it has the state of a vCPU that it has not");
	}
}

/* The part is complete. */
static int check_part(struct records *r, struct err *e)
{
	int rc;

	if (r->at == RECORDS_FIRST)
		return check_first(r, e);
	if (r->at == RECORDS_HEAD)
		return check_head(r, e);
	rc = check_start(r, e);
	if (rc == 0 && r->have == r->want)
		r->at = RECORDS_REST;
	return rc;
}

int records_check(struct records *r, const void *data, size_t n, size_t *used, struct err *e)
{
	const uint8_t *p = data;
	size_t at = 0;
	int rc = 0;

	while (rc == 0 && r->at != RECORDS_OVER) {
		if (r->at == RECORDS_REST) {
			size_t skip = r->left < n - at ? (size_t)r->left : n - at;

			r->left -= skip;
			at += skip;
			if (r->left)
				break;
			expect(r, RECORDS_HEAD, HEAD_BYTES);
		} else if (at < n) {
			size_t take = r->want - r->have < n - at ? r->want - r->have : n - at;

			memcpy(r->part + r->have, p + at, take);
			r->have += (uint32_t)take;
			at += take;
			if (r->have == r->want)
				rc = check_part(r, e);
		} else {
			break;
		}
	}
	*used = at;
	return rc;
}
