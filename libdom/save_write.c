/* SPDX-License-Identifier: BSD-3-Clause */
/* Writes a stream from a stopped domain: first determines the pages, then writes them. */
#include "libdom/save_linux.h"
#include "libdom/save_pvlinux.h"
#include "libdom/share.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <xen/sched.h>

#include <noxs/abi.h>

#include "base/shared.h"
#include "libdom/live_maps.h"

#define IOV_ONCE  64u /* pieces of one write ... */
#define PAGE_ONCE 64u /* ... and pages: so many are copied at a time */

static int no_memory(struct err *e)
{
	return err_set(e, ENOMEM, "out of memory");
}

/* --- the stream --- */

int saving_put(struct saving *s, struct iovec *iov, uint32_t n, struct err *e)
{
	int rc = transfer_write(s->to, iov, n);

	shared_store(&s->st->bytes, s->to->bytes);
	return rc < 0 ? err_sys(e, -rc, "write the saved VM") : 0;
}

uint8_t *saving_sections(const struct saving *s, const void *owner)
{
	uint8_t *all = calloc(1, save_sections(&s->h) + 1);
	uint8_t *at = all;

	if (!all)
		return NULL;
	if (s->h.owner_bytes)
		memcpy(at, owner, s->h.owner_bytes);
	at += save_pad(s->h.owner_bytes);
	memcpy(at, s->feature, s->h.feature_words * sizeof(*s->feature));
	at += save_pad(s->h.feature_words * sizeof(*s->feature));
	if (s->h.cpu_bytes) /* of the beginning of a live stream there are none */
		memcpy(at, s->cpus.data, s->h.cpu_bytes);
	at += save_pad(s->h.cpu_bytes);
	if (s->h.runs)
		memcpy(at, s->run, s->h.runs * sizeof(*s->run));
	return all;
}

int saving_put_head(struct saving *s, const void *owner, struct err *e)
{
	uint64_t bytes = save_sections(&s->h);
	uint8_t *all = saving_sections(s, owner);
	int rc;

	if (!all)
		return no_memory(e);
	s->h.sections_hash = save_hash_of(all, bytes);
	s->h.header_hash = save_hash_of(&s->h, offsetof(struct save_header, header_hash));
	rc = saving_put(s, (struct iovec[]){{&s->h, sizeof(s->h)}, {all, bytes}}, 2, e);
	free(all);
	return rc;
}

/* The piece that begins with page `i`: adjacent pages of one kind, at most `most`. Although the
 * domain is stopped, other domains with a grant of a page may write it at any time: a backend
 * that handles a frame or block, another guest. Therefore pages are copied to `copy`, and the
 * checksum is computed from the copy that is written. */
static uint32_t piece(struct saving *s, uint64_t i, uint32_t *table, uint32_t most, uint8_t *copy,
		      struct iovec *iov)
{
	uint32_t n = 1;

	if (save_is_table(s->kind[i])) {
		*iov = (struct iovec){s->tables + *table * PAGE_BYTES, PAGE_BYTES};
		*table += 1;
		return 1;
	}
	while (n < most && i + n < s->first + s->mapped && s->kind[i + n] == SAVE_RUN_PAGES)
		n++;
	memcpy(copy, saving_page_at(s, i), n * PAGE_BYTES);
	*iov = (struct iovec){copy, n * PAGE_BYTES};
	return n;
}

int saving_put_pages(struct saving *s, struct err *e)
{
	uint8_t *copy = malloc((s->n < PAGE_ONCE ? s->n : PAGE_ONCE) * PAGE_BYTES + 1);
	struct iovec iov[IOV_ONCE];
	uint32_t table = 0;
	int rc = copy ? 0 : no_memory(e);

	for (uint64_t i = 0; rc == 0 && i < s->n;) {
		uint32_t pages = 0;
		uint32_t n = 0;

		rc = saving_look_at(s, i, e);
		if (rc < 0)
			break;
		while (n < IOV_ONCE && pages < PAGE_ONCE && i < s->first + s->mapped) {
			uint32_t now = 1;

			if (s->kind[i] != SAVE_RUN_ZERO && s->kind[i] != SAVING_LEFT_OUT) {
				now = piece(s, i, &table, PAGE_ONCE - pages,
					    copy + pages * PAGE_BYTES, &iov[n]);
				save_hash_add(s->hash, iov[n].iov_base, iov[n].iov_len);
				n++;
				pages += now;
			}
			i += now;
		}
		if (n)
			rc = saving_put(s, iov, n, e);
		shared_store(&s->st->done, s->st->done + pages);
	}
	free(copy);
	return rc;
}

int saving_put_end(struct saving *s, struct err *e)
{
	struct save_end end = {.pages_hash = save_hash_end(s->hash)};

	s->hash = NULL;
	memcpy(end.magic, SAVE_END_MAGIC, sizeof(end.magic));
	return saving_put(s, (struct iovec[]){{&end, sizeof(end)}}, 1, e);
}

/* --- all of it --- */

/* The fields that all kinds have. */
static void begin_header(struct saving *s, uint32_t owner_bytes)
{
	const struct dom_limits *lim = &s->from->limits;

	s->h = (struct save_header){
		.version = SAVE_VERSION,
		.header_bytes = sizeof(s->h),
		.type = s->from->type,
		.pages = s->from->pages,
		.vcpus = s->from->vcpus,
		.ring_pages = s->from->ring_pages,
		.limit = {lim->asked, lim->grant_frames, lim->maptrack_frames, lim->grant_version,
			  lim->evtchn_port},
		.vendor = cpu_is_amd() ? SAVE_VENDOR_AMD : SAVE_VENDOR_INTEL,
		.owner_bytes = owner_bytes,
		.saved_ns = clock_wall_ns(),
	};
	memcpy(s->h.magic, SAVE_MAGIC, sizeof(s->h.magic));
}

static int add_features(struct saving *s, struct err *e)
{
	int n = xen_cpu_features(s->x, s->from->type == DOM_PVH, SAVE_FEATURES_MAX, s->feature);

	if (n < 0)
		return err_sys(e, -n, "read the features of this host's CPUs from Xen");
	s->h.feature_words = (uint32_t)n;
	return 0;
}

static int fill_header(struct saving *s, struct err *e)
{
	const volatile struct noxs_control *control = s->from->control;
	const volatile struct noxs_page *page = s->from->device;
	const struct layout *l = &s->l;
	uint64_t image_end = shared_load(
		&page->image_end_gfn); /* the guest says so, and is responsible for it */

	s->h.kind = SAVE_KIND_NOXS;
	s->h.dev_gfn = l->dev_gfn;
	s->h.control_gfn = l->control_gfn;
	s->h.shared_info_gfn = l->shared_gfn;
	s->h.page_table_gfn = l->tables.gfn;
	s->h.page_table_pages = l->tables.pages;
	s->h.grant_gfn = l->grants.gfn;
	s->h.grant_frames = l->grants.pages;
	s->h.image_end_gfn = image_end < l->rings.gfn ? image_end : l->rings.gfn;
	if (shared_load(&control->can) & NOXS_CAN_PLAIN)
		s->h.flags |= SAVE_FLAG_PLAIN;
	else if (s->from->type == DOM_PV) /* vcpu_guest_context has no more */
		return err_set(e, EOPNOTSUPP,
			       "a PV guest can only be saved if its image says that its vCPUs have "
			       "no state except registers (noxs(7), bit plain)");
	else
		return add_features(s, e);
	return 0;
}

int saving_stands_still(struct xen *x, const struct save_source *from, uint64_t *cpu_ns,
			struct err *e)
{
	struct xen_domain_info info;
	int rc = xen_domain_info(x, from->domid, &info);

	if (rc < 0)
		return err_sys(e, -rc, "get the state of domain %u", from->domid);
	if (info.shutdown ? info.shutdown_reason != SHUTDOWN_suspend : !info.paused)
		return err_set(e, EINVAL, "domain %u %s", from->domid,
			       info.shutdown ? "has ended" : "runs");
	*cpu_ns = info.cpu_ns;
	return 0;
}

/* Another program may have unpaused it meanwhile: then its pages are from different moments. */
int saving_stood_still(const struct saving *s, struct err *e)
{
	uint64_t cpu_ns = 0;
	int rc = saving_stands_still(s->x, s->from, &cpu_ns, e);

	if (rc == -EINVAL || (rc == 0 && cpu_ns != s->cpu_ns))
		return err_set(e, EBUSY, "domain %u ran while it was being saved", s->from->domid);
	return rc;
}

/* A guest whose image has another VIRT_BASE than 0 may have more or fewer page tables, and so
 * another layout than a restore would make. */
static int check_places(const struct saving *s, struct err *e)
{
	const xen_pfn_t *frame = s->pv.frame;

	if ((frame ? frame[s->l.dev_gfn] : s->l.dev_gfn) == s->from->dev_frame &&
	    (frame ? frame[s->l.control_gfn] : s->l.control_gfn) == s->from->control_frame)
		return 0;
	return err_set(e, EOPNOTSUPP,
		       "a restore would lay out its memory in another way (because of its image's "
		       "VIRT_BASE?)");
}

static int prepare_linux(struct saving *s, struct err *e)
{
	int rc = save_linux_header(s->x, s->from, &s->h, e);

	if (rc == 0)
		rc = add_features(s, e);
	if (rc == 0 && s->part != SAVING_FIRST)
		rc = save_cpus_get(s->x, s->from, false, &s->cpus, e);
	s->h.cpu_bytes = s->cpus.bytes;
	return rc < 0 ? rc : save_linux_pages(s, e);
}

static int prepare_pv_linux(struct saving *s, struct err *e)
{
	int rc = save_pv_linux_header(s->x, s->from, &s->h, e);

	s->st->pages = s->from->pages;
	return rc < 0 ? rc : add_features(s, e);
}

static int prepare_noxs(struct saving *s, struct err *e)
{
	uint64_t need;
	int rc = build_plan(NULL, s->from->type, s->from->pages, 0, 0, s->from->ring_pages, &s->l,
			    &need, e);

	if (rc == -ENOSPC)
		return err_set(e, EINVAL, "it has too little memory for a noxs guest");
	if (rc == 0)
		rc = fill_header(s, e);
	if (rc == 0 && s->part != SAVING_FIRST)
		rc = save_cpus_get(s->x, s->from, (s->h.flags & SAVE_FLAG_PLAIN) != 0, &s->cpus, e);
	if (rc < 0)
		return rc;
	s->h.cpu_bytes = s->cpus.bytes;
	rc = saving_choose_pages(s, e);
	if (rc < 0 || s->from->type != DOM_PV)
		return rc < 0 ? rc : check_places(s, e);
	s->pv = (struct save_pv){.x = s->x, .domid = s->from->domid, .l = &s->l};
	s->pv.frame = malloc(s->l.pages * sizeof(*s->pv.frame));
	if (!s->pv.frame)
		return no_memory(e);
	if (saving_pv_kept(s))
		return check_places(s, e);
	rc = share_undo(&s->pv, s->from->control, s->cpus.cr3[0], e);
	if (rc < 0)
		return rc;
	rc = save_pv_frames(&s->pv, s->cpus.cr3, s->cpus.ncr3, e);
	if (rc == 0)
		rc = check_places(s, e);
	return rc < 0 ? rc : saving_pv_pages(s, e);
}

void saving_end(struct saving *s)
{
	if (!s)
		return;
	if (!s->maps)
		xen_unmap(s->x, s->map, s->mapped);
	while (save_unmap(s->x, s->maps))
		;
	save_cpus_drop(&s->cpus);
	save_hash_drop(s->hash);
	free(s->pv.frame);
	free(s->gfn);
	free(s->kind);
	free(s->run);
	free(s->tables);
	free(s);
}

struct saving *saving_new(struct xen *x, const struct save_source *from, struct transfer *to,
			  struct save_stats *st, struct err *e)
{
	struct saving *s = calloc(1, sizeof(*s));

	*st = (struct save_stats){0};
	if (!s) {
		(void)no_memory(e);
		return NULL;
	}
	s->x = x;
	s->from = from;
	s->to = to;
	s->st = st;
	return s;
}

int saving_look(struct saving *s, uint32_t owner_bytes, struct err *e)
{
	int rc = s->part == SAVING_FIRST ? 0 : saving_stands_still(s->x, s->from, &s->cpu_ns, e);

	if (rc == 0 && owner_bytes > SAVE_OWNER_MAX)
		rc = err_set(e, E2BIG, "its configuration has %u bytes: too many", owner_bytes);
	if (rc == 0 && !s->from->linux_guest)
		rc = save_check(s->from->control, e);
	begin_header(s, owner_bytes);
	if (rc == 0)
		rc = !s->from->linux_guest     ? prepare_noxs(s, e)
		     : s->from->type == DOM_PV ? prepare_pv_linux(s, e)
					       : prepare_linux(s, e);
	return rc;
}

int saving_begin(struct xen *x, const struct save_source *from, uint32_t owner_bytes,
		 struct transfer *to, struct save_stats *st, struct saving **out, struct err *e)
{
	struct saving *s = saving_new(x, from, to, st, e);
	int rc;

	*out = s;
	if (!s)
		return -ENOMEM;
	rc = saving_look(s, owner_bytes, e);
	if (rc < 0 || s->h.kind == SAVE_KIND_PV_LINUX) {
		st->present = s->from->pages;
		return rc;
	}
	if (from->left && from->linux_guest) {
		s->maps = live_maps_new(from->domid, false, s->n);
		rc = s->maps ? 0 : no_memory(e);
	}
	if (rc == 0)
		rc = saving_find_zeroes(s, e);
	if (rc == 0)
		rc = saving_make_runs(s, e);
	st->present = s->h.present;
	return rc;
}

int save_write(struct xen *x, const struct save_source *from, const void *owner,
	       uint32_t owner_bytes, struct transfer *to, struct save_stats *st, struct err *e)
{
	struct saving *s;
	int rc = saving_begin(x, from, owner_bytes, to, st, &s, e);

	if (from->left)
		*from->left = NULL;
	if (rc == 0) {
		s->hash = save_hash_new();
		rc = s->hash ? saving_put_head(s, owner, e) : no_memory(e);
	}
	if (rc == 0)
		rc = s->h.kind == SAVE_KIND_PV_LINUX ? save_pv_linux_put(s, e)
						     : saving_put_pages(s, e);
	if (rc == 0)
		rc = saving_stood_still(s, e);
	if (rc == 0)
		rc = saving_put_end(s, e);
	if (s && s->maps && from->left) {
		*from->left = s->maps;
		s->maps = NULL;
		s->map = NULL;
	}
	saving_end(s);
	return rc;
}
