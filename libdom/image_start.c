/* SPDX-License-Identifier: BSD-3-Clause */
/* Checks whether Xen's standard entries can start an image, by the rules of Xen's own loader
 * (libelf). */
#include <errno.h>
#include <string.h>

#include "libdom/image_elf.h"

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/* Both types. */
static int check_notes(const struct elf_notes *n, struct err *e)
{
	if (n->needs_dom0)
		return err_set(e, ENOEXEC, "a kernel that runs as dom0 only");
	if (n->needs[0])
		return err_set(e, ENOEXEC, "it needs the feature \"%s\", which Xen does not know",
			       n->needs);
	if (n->have_paddr_offset && !n->have_virt_base)
		return err_set(e, EINVAL, "its Xen notes have a PADDR_OFFSET and no VIRT_BASE");
	return 0;
}

/* The image is at [from, to], in addresses of the same kind as its entry. */
static int check_places(const struct elf_notes *n, uint64_t from, uint64_t to, uint64_t entry,
			struct err *e)
{
	if (from > to)
		return err_set(e, EINVAL, "the image at 0x%llx runs over the end of memory",
			       (unsigned long long)from);
	if (entry < from || entry > to)
		return err_set(e, EINVAL, "the entry 0x%llx lies outside the image",
			       (unsigned long long)entry);
	if (n->have_init_p2m && n->init_p2m >= from && n->init_p2m < to)
		return err_set(e, EINVAL, "INIT_P2M 0x%llx lies inside the image",
			       (unsigned long long)n->init_p2m);
	return 0;
}

int elf_check_pv(const struct elf_image *img, struct err *e)
{
	const struct elf_notes *n = &img->notes;
	uint64_t offset = n->virt_base - n->paddr_offset;
	int rc;

	if (!img->x86_64)
		return err_set(e, ENOEXEC,
			       "a 32-bit PV guest, which this Xen does not start; it needs a "
			       "64-bit build or a PVH entry");
	rc = check_notes(n, e);
	if (rc < 0)
		return rc;
	if (!begins(n->loader, "generic") && !begins(n->guest_os, "linux"))
		return err_set(e, ENOEXEC,
			       "its Xen notes have neither a PVH entry, nor for PV the LOADER "
			       "\"generic\" or the GUEST_OS \"linux\"");
	if (!begins(n->xen_version, "xen-3.0"))
		return err_set(e, ENOEXEC, "its Xen notes say XEN_VERSION \"%s\"; PV needs xen-3.0",
			       n->xen_version);
	rc = check_places(n, img->start + offset, img->end + offset, n->entry, e);
	if (rc == 0 && n->virt_base > img->start + offset)
		rc = err_set(e, EINVAL, "segment outside memory: it lies below PADDR_OFFSET 0x%llx",
			     (unsigned long long)n->paddr_offset);
	return rc;
}

int elf_check_pvh(const struct elf_image *img, struct err *e)
{
	const struct elf_notes *n = &img->notes;
	int rc;

	if (!n->have_phys32_entry)
		return err_set(e, ENOEXEC, "its Xen notes have no PHYS32_ENTRY, which PVH needs");
	rc = check_notes(n, e);
	return rc < 0 ? rc : check_places(n, img->start, img->end, n->phys32_entry, e);
}
