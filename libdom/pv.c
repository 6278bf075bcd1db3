/* SPDX-License-Identifier: BSD-3-Clause */
/* PV guests: page tables, Xen's start-of-day information, first vCPU. Source: Xen public/xen.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <noxs/abi.h>

#include "base/shared.h"
#include "libdom/build.h"

#define EFLAGS_IF 0x200u

static uint64_t virt(const struct dom_build *b, uint64_t gfn)
{
	return b->virt_base + gfn * PAGE_BYTES;
}

/* Fills and pins the page tables and masks the upcalls, with one mapping for both. Xen accepts
 * pages as page tables only when they are not mapped writable elsewhere. */
int pv_tables(struct xen *x, struct dom *d, struct err *e)
{
	struct dom_build *b = d->build;
	uint32_t n = (uint32_t)b->l.tables.pages;
	struct xen_domain_info info;
	uint64_t grant_mfn[XEN_GRANT_FRAMES] = {0};
	xen_pfn_t few[32];
	xen_pfn_t *frames = n + 1 <= 32 ? few : malloc((n + 1) * sizeof(*frames));
	struct shared_info *shared;
	uint8_t *at = NULL;
	int rc;

	if (!frames)
		return err_set(e, ENOMEM, "out of memory");
	rc = xen_domain_info(x, d->domid, &info);
	if (rc < 0) {
		rc = err_sys(e, -rc, "get the state of domain %u", d->domid);
		goto out;
	}
	b->shared_mfn = info.shared_info_mfn;
	if (b->l.grants.pages)
		rc = xen_grant_frames(x, d->domid, (uint32_t)b->l.grants.pages, grant_mfn);
	if (rc < 0) {
		rc = err_sys(e, -rc, "find the grant table of domain %u", d->domid);
		goto out;
	}
	d->frames.shared = (uint32_t)b->shared_mfn;
	for (uint32_t i = 0; i < b->l.grants.pages; i++)
		d->frames.grant[i] = (uint32_t)grant_mfn[i];
	memcpy(frames, b->frame + b->l.tables.gfn, n * sizeof(*frames));
	frames[n] = b->shared_mfn;
	rc = xen_map(x, d->domid, true, n + 1, frames, (void **)&at);
	if (rc < 0) {
		rc = err_sys(e, -rc, "map page tables of domain %u", d->domid);
		goto out;
	}
	tables_fill_pv((uint64_t *)(void *)at, &b->l, b->virt_base, b->frame,
		       b->direct ? b->shared_mfn : 0, grant_mfn);
	shared = (struct shared_info *)(void *)(at + n * PAGE_BYTES);
	for (uint32_t i = 0; i < XEN_LEGACY_MAX_VCPUS; i++)
		shared_store(&shared->vcpu_info[i].evtchn_upcall_mask, (uint8_t)1);
	xen_unmap(x, at, n + 1);
	rc = xen_pin_l4(x, d->domid, b->frame[b->l.tables.gfn]);
	if (rc < 0)
		rc = err_sys(e, -rc, "pin the page tables of domain %u", d->domid);
out:
	if (frames != few)
		free(frames);
	return rc;
}

static int write_start_info(struct xen *x, const struct dom *d, const struct image *img,
			    const struct dom_load *load, const struct build_module *mod,
			    struct err *e)
{
	const struct dom_build *b = d->build;
	struct start_info *s = calloc(1, PAGE_BYTES);
	int rc;

	if (!s)
		return err_set(e, ENOMEM, "out of memory");
	memcpy(s->magic, "xen-3.0-x86_64", sizeof("xen-3.0-x86_64"));
	s->nr_pages = d->pages;
	s->shared_info = b->shared_mfn * PAGE_BYTES;
	s->store_mfn = build_frame(b, b->l.dev_gfn);
	s->store_evtchn = load->store_port;
	s->console.domU.mfn = build_frame(b, b->l.control_gfn);
	s->console.domU.evtchn = load->console_port;
	s->pt_base = virt(b, b->l.tables.gfn);
	s->nr_pt_frames = b->l.tables.pages;
	s->mfn_list = virt(b, b->l.p2m.gfn);
	s->first_p2m_pfn = b->l.p2m.gfn;
	s->nr_p2m_frames = b->l.p2m.pages;
	if (load->nmodule) {
		s->mod_len = mod->bytes;
		s->mod_start = img->elf.notes.mod_start_pfn ? mod->paddr / PAGE_BYTES
							    : b->virt_base + mod->paddr;
		s->flags |= img->elf.notes.mod_start_pfn ? SIF_MOD_START_PFN : 0;
	}
	strncpy((char *)s->cmd_line, load->cmdline, MAX_GUEST_CMDLINE - 1);
	rc = build_write(x, d, b->l.start.gfn, s, PAGE_BYTES, e);
	free(s);
	return rc;
}

int pv_load_standard(struct xen *x, struct dom *d, const struct image *img,
		     const struct dom_load *load, struct err *e)
{
	struct build_module mod[BUILD_MODULES_MAX] = {0};
	struct dom_build *b = d->build;
	int rc;

	if (load->nmodule > 1)
		return err_set(e, EINVAL, "%u modules: a PV guest takes one", load->nmodule);
	if (strlen(load->cmdline) >= MAX_GUEST_CMDLINE)
		return err_set(e, EINVAL, "the command line has %zu bytes; a PV guest takes %d",
			       strlen(load->cmdline), MAX_GUEST_CMDLINE - 1);
	rc = build_load_image(x, d, img, e);
	if (rc == 0)
		rc = build_load_modules(x, d, load, b->l.modules.gfn, mod, e);
	if (rc == 0)
		rc = build_write(x, d, b->l.p2m.gfn, b->frame, d->pages * sizeof(*b->frame), e);
	if (rc == 0)
		rc = pv_tables(x, d, e);
	if (rc == 0)
		rc = write_start_info(x, d, img, load, mod, e);
	if (rc == 0 && !img->info.noxs)
		rc = build_memory_map_pv(x, d, e);
	return rc;
}

int pv_arm(struct xen *x, struct dom *d, const struct image *img, struct err *e)
{
	const struct dom_build *b = d->build;
	vcpu_guest_context_any_t any;
	vcpu_guest_context_x86_64_t *c = &any.x64;
	int rc;

	memset(&any, 0, sizeof(any));
	if (b->direct) {
		c->user_regs.rbx = virt(b, b->l.dev_gfn);
		c->user_regs.rip = c->user_regs.rbx + offsetof(struct noxs_page, start);
	} else {
		c->user_regs.rip = img->elf.notes.entry;
		c->user_regs.rsi = virt(b, b->l.start.gfn);
		c->user_regs.rsp = virt(b, b->l.stack.gfn + 1);
		c->kernel_sp = c->user_regs.rsp;
	}
	c->user_regs.rflags = EFLAGS_IF;
	c->user_regs.ds = c->user_regs.es = FLAT_KERNEL_DS;
	c->user_regs.fs = c->user_regs.gs = FLAT_KERNEL_DS;
	c->user_regs.ss = FLAT_KERNEL_SS;
	c->user_regs.cs = FLAT_KERNEL_CS;
	c->kernel_ss = FLAT_KERNEL_SS;
	c->debugreg[6] = 0xffff0ff0;
	c->debugreg[7] = 0x400;
	c->flags = VGCF_in_kernel | VGCF_online;
	c->ctrlreg[3] = build_frame(b, b->l.tables.gfn) * PAGE_BYTES;
	rc = xen_vcpu_context(x, d->domid, 0, &any);
	if (rc < 0)
		return err_sys(e, -rc, "set the first vCPU of domain %u", d->domid);
	return 0;
}
