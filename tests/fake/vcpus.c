/* SPDX-License-Identifier: BSD-3-Clause */
/* base/xen.h on the fake: vCPU state, page tables. Machine frames are guest frames here. */
#include "tests/fake/private.h"

#include <xen/hvm/save.h>

/* A context, or a CPU record. */
static vcpu_guest_context_any_t states[DOMAINS][FAKE_VCPUS];

static vcpu_guest_context_any_t *state_of(const struct domain *d, uint32_t vcpu)
{
	return &states[d - fake_domains][vcpu];
}

int xen_domain_resume(struct xen *x, uint32_t domid)
{
	ONE_DOMAIN(d->shutdown = false);
}

/* --- what it writes --- */

int xen_dirty_start(struct xen *x, uint32_t domid)
{
	ONE_DOMAIN({
		if (!d->hvm)
			return fake_leave(-EOPNOTSUPP);
		d->noting = true;
		memset(d->written, 0, sizeof(d->written));
	});
}

int xen_dirty_take(struct xen *x, uint32_t domid, uint64_t frames, bool last, uint64_t *bits)
{
	(void)last;
	ONE_DOMAIN({
		if (!d->noting)
			return fake_leave(-EINVAL);
		memset(bits, 0, frames / 8);
		memcpy(bits, d->written, (frames < FRAMES ? frames : FRAMES) / 8);
		memset(d->written, 0, sizeof(d->written));
	});
}

int xen_dirty_stop(struct xen *x, uint32_t domid)
{
	ONE_DOMAIN(d->noting = false);
}

void fake_wrote(uint32_t domid, uint64_t frame)
{
	struct domain *d;

	(void)pthread_mutex_lock(&fake_lock);
	d = fake_find(domid);
	if (d && d->noting && frame < FRAMES)
		d->written[frame / 64] |= 1ull << frame % 64;
	(void)fake_leave(0);
}

bool fake_notes(uint32_t domid)
{
	struct domain *d;
	bool notes;

	(void)pthread_mutex_lock(&fake_lock);
	d = fake_find(domid);
	notes = d && d->noting;
	(void)fake_leave(0);
	return notes;
}

int xen_vcpu_context(struct xen *x, uint32_t domid, uint32_t vcpu, vcpu_guest_context_any_t *ctx)
{
	ONE_DOMAIN({
		if (vcpu >= FAKE_VCPUS)
			return fake_leave(-EINVAL);
		d->has_state[vcpu] = true;
		memcpy(state_of(d, vcpu), ctx, sizeof(*ctx));
	});
}

int xen_vcpu_context_get(struct xen *x, uint32_t domid, uint32_t vcpu,
			 vcpu_guest_context_any_t *ctx)
{
	ONE_DOMAIN({
		if (vcpu >= FAKE_VCPUS || !d->has_state[vcpu])
			return fake_leave(-ENODATA);
		memcpy(ctx, state_of(d, vcpu), sizeof(*ctx));
	});
}

int xen_vcpu_reset(struct xen *x, uint32_t domid, uint32_t vcpu)
{
	ONE_DOMAIN({
		if (vcpu >= FAKE_VCPUS)
			return fake_leave(-EINVAL);
		d->has_state[vcpu] = false;
	});
}

/* --- HVM records --- */

struct context {
	struct hvm_save_descriptor header_d;
	HVM_SAVE_TYPE(HEADER) header;
	struct hvm_save_descriptor mtrr_d;
	HVM_SAVE_TYPE(MTRR) mtrr;
	struct hvm_save_descriptor end_d;
} __attribute__((packed));

int xen_hvm_context_get(struct xen *x, uint32_t domid, void *buf, uint32_t bytes)
{
	struct context c;
	struct domain *d;

	ENTER();
	(void)x;
	d = fake_find(domid);
	memset(&c, 0, sizeof(c));
	c.header_d.typecode = HVM_SAVE_CODE(HEADER);
	c.header_d.length = HVM_SAVE_LENGTH(HEADER);
	c.mtrr_d.typecode = HVM_SAVE_CODE(MTRR);
	c.mtrr_d.length = HVM_SAVE_LENGTH(MTRR);
	if (buf && bytes >= sizeof(c))
		memcpy(buf, &c, sizeof(c));
	return fake_leave(d ? (int)sizeof(c) : -ESRCH);
}

/* The CPU records of what is set are kept. */
int xen_hvm_context_set(struct xen *x, uint32_t domid, const void *buf, uint32_t bytes)
{
	ONE_DOMAIN({
		uint32_t at = 0;

		while (bytes - at >= sizeof(struct hvm_save_descriptor)) {
			struct hvm_save_descriptor r;

			memcpy(&r, (const uint8_t *)buf + at, sizeof(r));
			at += (uint32_t)sizeof(r);
			if (r.length > bytes - at)
				return fake_leave(-EINVAL);
			if (r.typecode == HVM_SAVE_CODE(CPU) && r.instance < FAKE_VCPUS &&
			    r.length == HVM_SAVE_LENGTH(CPU)) {
				d->has_state[r.instance] = true;
				memcpy(state_of(d, r.instance), (const uint8_t *)buf + at,
				       r.length);
			}
			at += r.length;
		}
	});
}

int xen_hvm_cpu_get(struct xen *x, uint32_t domid, uint32_t vcpu, void *buf, uint32_t bytes)
{
	ONE_DOMAIN({
		if (vcpu >= FAKE_VCPUS || !d->has_state[vcpu])
			return fake_leave(-ENODATA);
		memcpy(buf, state_of(d, vcpu), bytes);
	});
}

int xen_hvm_param_set(struct xen *x, uint32_t domid, uint32_t param, uint64_t value)
{
	(void)param;
	(void)value;
	ONE_DOMAIN();
}

int xen_hvm_param_get(struct xen *x, uint32_t domid, uint32_t param, uint64_t *value)
{
	(void)param;
	*value = 0;
	ONE_DOMAIN();
}

int xen_cpu_features(struct xen *x, bool hvm, uint32_t max, uint32_t *words)
{
	ENTER();
	(void)x;
	(void)hvm;
	for (uint32_t i = 0; i < max && i < 4; i++)
		words[i] = 0xf0 + i;
	return fake_leave(max < 4 ? (int)max : 4);
}

/* --- PV page tables --- */

int xen_pin_l4(struct xen *x, uint32_t domid, uint64_t mfn)
{
	ONE_DOMAIN(d->pinned = mfn);
}

int xen_unpin(struct xen *x, uint32_t domid, uint64_t mfn)
{
	ONE_DOMAIN({
		if (d->pinned != mfn)
			return fake_leave(-EINVAL);
		d->pinned = 0;
	});
}

/* In entries of page tables that is added to frames of another domain. */
static uint64_t foreign(const struct domain *owner)
{
	return FRAMES * (uint64_t)(owner - fake_domains + 1);
}

int xen_set_entries(struct xen *x, uint32_t domid, uint32_t owner, uint32_t n,
		    const struct xen_pte *pte)
{
	ONE_DOMAIN({
		const struct domain *of = fake_find(owner);

		if (!of)
			return fake_leave(-ESRCH);
		for (uint32_t i = 0; i < n; i++) {
			uint64_t value = pte[i].value + (of == d ? 0 : foreign(of) * PAGE);

			if (pwrite(d->mem, &value, sizeof(value), (off_t)pte[i].at) !=
			    sizeof(value))
				return fake_leave(-EINVAL);
		}
	});
}

/* What the pinned table leads to. */
static xen_pfn_t type_of(const struct domain *d, uint64_t table, int level, xen_pfn_t frame)
{
	uint64_t entry[512];
	xen_pfn_t type = XEN_DOMCTL_PFINFO_NOTAB;

	if (table == frame)
		return (xen_pfn_t)level << XEN_DOMCTL_PFINFO_LTAB_SHIFT;
	if (level == 1 || table >= FRAMES ||
	    pread(d->mem, entry, sizeof(entry), (off_t)(table * PAGE)) != sizeof(entry))
		return type;
	for (int i = 0; i < 512 && type == XEN_DOMCTL_PFINFO_NOTAB; i++)
		if ((entry[i] & 1) && !(level == 4 && i >= 256 && i < 272))
			type = type_of(d, entry[i] << 12 >> 24, level - 1, frame);
	return type;
}

static bool all_tables;

void fake_all_tables(bool on)
{
	all_tables = on;
}

int xen_page_types(struct xen *x, uint32_t domid, uint32_t n, xen_pfn_t *frames)
{
	ONE_DOMAIN({
		for (uint32_t i = 0; i < n; i++)
			frames[i] = frames[i] >= FRAMES && frames[i] / FRAMES * FRAMES != foreign(d)
					    ? XEN_DOMCTL_PFINFO_XTAB
				    : all_tables ? XEN_DOMCTL_PFINFO_L1TAB
				    : d->pinned	 ? type_of(d, d->pinned, 4, frames[i])
						 : XEN_DOMCTL_PFINFO_NOTAB;
	});
}

int xen_m2p(struct xen *x, uint64_t mfn, uint64_t *gfn)
{
	ENTER();
	(void)x;
	*gfn = mfn;
	return fake_leave(mfn < FRAMES ? 0 : -ENOENT);
}
