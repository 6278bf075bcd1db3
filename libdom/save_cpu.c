/* SPDX-License-Identifier: BSD-3-Clause */
/* vCPU states: from a domain into the form of a stream, and into a shell. */
#include "libdom/save_stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <xen/hvm/save.h>

#define CR3_FRAME(cr3) ((cr3) >> 12)
#define GDT_ENTRIES    7168u /* those above are Xen's */
#define PER_FRAME      512u

static uint32_t gdt_frames(const vcpu_guest_context_x86_64_t *c)
{
	return (uint32_t)((c->gdt_ents + PER_FRAME - 1) / PER_FRAME);
}

/* --- out of a domain --- */

/* Room for one more state, with its head; NULL: out of memory. */
static uint8_t *more(struct save_cpus *c, uint32_t vcpu, uint32_t bytes)
{
	uint32_t all = (uint32_t)(sizeof(struct save_cpu) + save_pad(bytes));
	struct save_cpu head = {vcpu, bytes};
	uint8_t *at;

	if (c->room - c->bytes < all) {
		uint32_t room = c->bytes * 2 + all;

		at = realloc(c->data, room);
		if (!at)
			return NULL;
		c->data = at;
		c->room = room;
	}
	at = c->data + c->bytes;
	memset(at, 0, all);
	memcpy(at, &head, sizeof(head));
	c->bytes += all;
	return at + sizeof(head);
}

static int get_pv(struct xen *x, uint32_t domid, uint32_t vcpu, struct save_cpus *c, struct err *e)
{
	vcpu_guest_context_any_t any;
	vcpu_guest_context_x86_64_t *v = &any.x64;
	uint8_t *to;
	int rc = xen_vcpu_context_get(x, domid, vcpu, &any);

	if (rc == -ENODATA)
		return 0;
	if (rc < 0)
		return err_sys(e, -rc, "read the state of vCPU %u of domain %u", vcpu, domid);
	to = more(c, vcpu, sizeof(*v));
	if (!to)
		return err_set(e, ENOMEM, "out of memory");
	c->cr3[c->ncr3++] = CR3_FRAME(v->ctrlreg[3]);
	if (v->ctrlreg[1])
		c->cr3[c->ncr3++] = CR3_FRAME(v->ctrlreg[1]);
	if (c->cr3[0] != CR3_FRAME(v->ctrlreg[3]) || v->ctrlreg[1] || v->gdt_ents || v->ldt_ents ||
	    !(v->flags & VGCF_in_kernel))
		c->simple = false;
	memcpy(to, v, sizeof(*v));
	return 0;
}

static int get_pvh_plain(struct xen *x, uint32_t domid, uint32_t vcpu, struct save_cpus *c,
			 struct err *e)
{
	HVM_SAVE_TYPE(CPU) cpu;
	uint8_t *to;
	int rc = xen_hvm_cpu_get(x, domid, vcpu, &cpu, HVM_SAVE_LENGTH(CPU));

	if (rc == -ENODATA)
		return 0;
	if (rc < 0)
		return err_sys(e, -rc, "read the state of vCPU %u of domain %u", vcpu, domid);
	to = more(c, vcpu, HVM_SAVE_LENGTH(CPU));
	if (!to)
		return err_set(e, ENOMEM, "out of memory");
	memcpy(to, &cpu, HVM_SAVE_LENGTH(CPU));
	return 0;
}

static int get_pvh_whole(struct xen *x, uint32_t domid, uint32_t vcpus, struct save_cpus *c,
			 struct err *e)
{
	int size = xen_hvm_context_get(x, domid, NULL, 0);
	uint8_t *to;
	int rc;

	if (size < 0)
		return err_sys(e, -size, "read the size of the vCPU state of domain %u", domid);
	if ((uint32_t)size > vcpus * SAVE_CPU_MAX)
		return err_set(e, EOPNOTSUPP, "its vCPUs have %d bytes of state: too many", size);
	to = more(c, 0, (uint32_t)size);
	if (!to)
		return err_set(e, ENOMEM, "out of memory");
	rc = xen_hvm_context_get(x, domid, to, (uint32_t)size);
	if (rc < 0)
		return err_sys(e, -rc, "read the vCPU state of domain %u", domid);
	if (rc != size) /* the reported size is the maximum */
		((struct save_cpu *)(void *)to)[-1].bytes = (uint32_t)rc;
	c->bytes = (uint32_t)(to - c->data + (long)save_pad((uint32_t)rc));
	if (!save_is_chain(to, (uint32_t)rc, vcpus))
		return err_set(e, EOPNOTSUPP,
			       "Xen has a state of domain %u that cannot be restored", domid);
	return 0;
}

int save_cpus_get(struct xen *x, const struct save_source *from, bool plain, struct save_cpus *c,
		  struct err *e)
{
	int rc = 0;

	memset(c, 0, sizeof(*c));
	c->simple = true;
	if (from->type == DOM_PVH && !plain)
		return get_pvh_whole(x, from->domid, from->vcpus, c, e);
	for (uint32_t i = 0; rc == 0 && i < from->vcpus; i++)
		rc = from->type == DOM_PV ? get_pv(x, from->domid, i, c, e)
					  : get_pvh_plain(x, from->domid, i, c, e);
	if (rc == 0 && c->bytes == 0)
		return err_set(e, EINVAL, "none of its vCPUs runs");
	return rc;
}

void save_cpus_drop(struct save_cpus *c)
{
	free(c->data);
	c->data = NULL;
}

/* --- PV: frames of tables --- */

/* Converts a machine frame into a guest frame, or the reverse. */
typedef uint64_t convert(const struct save_pv *p, uint64_t frame);

/* Converts all frames in a context; false: one does not belong to the guest. */
static bool convert_context(const struct save_pv *p, vcpu_guest_context_x86_64_t *v, convert *to)
{
	uint64_t top = to(p, CR3_FRAME(v->ctrlreg[3]));
	uint64_t user = v->ctrlreg[1] ? to(p, CR3_FRAME(v->ctrlreg[1])) : 0;

	if (top == UINT64_MAX || user == UINT64_MAX || v->gdt_ents > GDT_ENTRIES)
		return false;
	v->ctrlreg[3] = top << 12;
	if (v->ctrlreg[1])
		v->ctrlreg[1] = user << 12;
	for (uint32_t i = 0; i < gdt_frames(v); i++) {
		v->gdt_frames[i] = to(p, v->gdt_frames[i]);
		if (v->gdt_frames[i] == UINT64_MAX)
			return false;
	}
	return true;
}

int save_cpus_out(const struct save_pv *p, struct save_cpus *c, struct err *e)
{
	vcpu_guest_context_x86_64_t v;

	for (uint32_t at = 0; at < c->bytes;) {
		struct save_cpu *head = (struct save_cpu *)(void *)(c->data + at);

		memcpy(&v, head + 1, sizeof(v));
		if (!convert_context(p, &v, save_pv_gfn))
			return err_set(e, EOPNOTSUPP,
				       "vCPU %u has page or descriptor tables that are not its own",
				       head->vcpu);
		memcpy(head + 1, &v, sizeof(v));
		at += (uint32_t)(sizeof(*head) + save_pad(head->bytes));
	}
	return 0;
}

/* --- into a domain --- */

static int set_pv(struct xen *x, const struct dom *d, const struct save_cpu *c,
		  const struct save_pv *p, struct err *e)
{
	vcpu_guest_context_any_t any;
	int rc;

	memset(&any, 0, sizeof(any));
	memcpy(&any.x64, c + 1, sizeof(any.x64));
	if (!convert_context(p, &any.x64, save_pv_mfn))
		return err_set(e, EPROTO,
			       "the file is damaged: vCPU %u has tables outside of its memory",
			       c->vcpu);
	rc = xen_vcpu_context(x, d->domid, c->vcpu, &any);
	if (rc < 0)
		return err_sys(e, -rc, "the file is damaged: Xen refuses the state of vCPU %u",
			       c->vcpu);
	return 0;
}

static uint8_t *record(uint8_t *to, uint16_t type, uint32_t vcpu, const void *data, uint32_t bytes)
{
	struct hvm_save_descriptor d = {
		.typecode = type, .instance = (uint16_t)vcpu, .length = bytes};

	memcpy(to, &d, sizeof(d));
	if (bytes)
		memcpy(to + sizeof(d), data, bytes);
	return to + sizeof(d) + bytes;
}

/* The HEADER of this host, and the CPU records; the shell has its MTRRs. */
static int set_pvh_plain(struct xen *x, const struct save_stream *s, const struct dom *d,
			 struct err *e)
{
	HVM_SAVE_TYPE(HEADER) header;
	const struct save_cpu *c;
	uint8_t *buf = malloc(s->h.cpu_bytes + 1024u);
	uint8_t *to = buf;
	uint32_t at = 0;
	int rc;

	if (!buf)
		return err_set(e, ENOMEM, "out of memory");
	rc = pvh_host_header(x, d->domid, &header, e);
	if (rc == 0) {
		to = record(to, HVM_SAVE_CODE(HEADER), 0, &header, HVM_SAVE_LENGTH(HEADER));
		while ((c = save_next_cpu(s, &at)) != NULL)
			to = record(to, HVM_SAVE_CODE(CPU), c->vcpu, c + 1, c->bytes);
		to = record(to, HVM_SAVE_CODE(END), 0, NULL, 0);
		rc = xen_hvm_context_set(x, d->domid, buf, (uint32_t)(to - buf));
		if (rc < 0)
			rc = err_sys(e, -rc,
				     "the file is damaged: Xen refuses the state of a vCPU");
	}
	free(buf);
	return rc;
}

/* All records except HEADER, which is replaced by that of this host, because it describes clocks
 * and CPU. */
static int set_pvh_whole(struct xen *x, const struct dom *d, const struct save_cpu *c,
			 struct err *e)
{
	HVM_SAVE_TYPE(HEADER) header;
	uint8_t *buf = malloc(c->bytes);
	int rc;

	if (!buf)
		return err_set(e, ENOMEM, "out of memory");
	memcpy(buf, c + 1, c->bytes);
	rc = pvh_host_header(x, d->domid, &header, e);
	if (rc == 0) {
		(void)record(buf, HVM_SAVE_CODE(HEADER), 0, &header, HVM_SAVE_LENGTH(HEADER));
		rc = xen_hvm_context_set(x, d->domid, buf, c->bytes);
		if (rc < 0)
			rc = err_sys(e, -rc,
				     "the file is damaged: Xen refuses the state of its vCPUs");
	}
	free(buf);
	return rc;
}

int save_cpus_set(struct xen *x, const struct save_stream *s, const struct dom *d,
		  const struct save_pv *p, struct err *e)
{
	const struct save_cpu *c;
	uint32_t at = 0;
	int rc = 0;

	if (d->type == DOM_PVH && s->h.flags & SAVE_FLAG_PLAIN)
		return set_pvh_plain(x, s, d, e);
	while (rc == 0 && (c = save_next_cpu(s, &at)) != NULL)
		rc = d->type == DOM_PV ? set_pv(x, d, c, p, e) : set_pvh_whole(x, d, c, e);
	return rc;
}
