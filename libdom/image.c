/* SPDX-License-Identifier: BSD-3-Clause */
/* Opening images: reads, recognises, parses, and says what a file can be started as. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libdom/image.h"
#include "libdom/layout.h"

/* The ABI versions of the device page this build writes (noxs/include/noxs/abi.h). */
#define NOXS_VERSION 1u
#define NOXS_GATE    (1u << 1) /* NOXS_NOTE_GATE */

/* A file of at least this size is not read if the host would then have less free memory than the
 * reserve. */
#define LARGE_BYTES   (16ull << 20)
#define RESERVE_BYTES (64ull << 20)

/* Large files are refused before dom0 runs out of memory for them. */
static int memory_left(uint64_t bytes, struct err *e)
{
	FILE *f = bytes < LARGE_BYTES ? NULL : fopen("/proc/meminfo", "re");
	unsigned long long kib = UINT64_MAX >> 10;
	char line[128];

	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, "MemAvailable:", 13) == 0)
			kib = strtoull(line + 13, NULL, 10);
	if (f)
		(void)fclose(f);
	if (bytes + RESERVE_BYTES <= kib << 10)
		return 0;
	return err_set(e, ENOMEM,
		       "the file has %llu MiB, but dom0 has only %llu MiB of memory to spare",
		       (unsigned long long)bytes >> 20, kib >> 10);
}

int image_read_fd(int fd, uint8_t **out, size_t *bytes, struct err *e)
{
	struct stat st;
	uint8_t *buf;
	size_t size;
	size_t done = 0;
	int rc;

	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "cannot examine it");
	if (S_ISDIR(st.st_mode))
		return err_set(e, EISDIR, "it is a directory");
	if (!S_ISREG(st.st_mode))
		return err_set(e, EINVAL, "not a regular file");
	if (st.st_size == 0)
		return err_set(e, ENOEXEC, "the file is empty");
	if ((uint64_t)st.st_size > IMAGE_MAX_BYTES)
		return err_set(e, E2BIG, "larger than %llu MiB", IMAGE_MAX_BYTES >> 20);
	size = (size_t)st.st_size;
	rc = memory_left(size, e);
	if (rc < 0)
		return rc;
	buf = malloc(size);
	if (!buf)
		return err_set(e, ENOMEM, "out of memory for %zu bytes", size);
	while (done < size) {
		ssize_t n = pread(fd, buf + done, size - done, (off_t)done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			rc = n < 0 ? err_sys(e, errno, "cannot read it")
				   : err_set(e, EIO, "the file got shorter while it was read");
			free(buf);
			return rc;
		}
		done += (size_t)n;
	}
	*out = buf;
	*bytes = size;
	return 0;
}

/* Guest-physical addresses of PV and PVH differ by PADDR_OFFSET; image_info has those of PV for
 * PV images. */
static int place(struct image *img, struct err *e)
{
	const struct elf_notes *n = &img->elf.notes;

	img->info.start = img->elf.start;
	img->info.end = img->elf.end;
	if (!img->info.pv)
		return 0;
	if (n->paddr_offset > img->elf.start)
		return err_set(e, EINVAL,
			       "segment outside memory: it lies below PADDR_OFFSET 0x%llx",
			       (unsigned long long)n->paddr_offset);
	if (n->virt_base & 0xfff)
		return err_set(e, EINVAL, "VIRT_BASE 0x%llx is not on a page",
			       (unsigned long long)n->virt_base);
	if (n->paddr_offset != 0 && img->info.pvh && img->info.direct)
		return err_set(e, EINVAL, "a direct noxs entry needs PADDR_OFFSET 0");
	img->info.start -= n->paddr_offset;
	img->info.end -= n->paddr_offset;
	return 0;
}

/* It is filled for PV and for the noxs entry. */
static int check_hypercall_page(const struct image *img, struct err *e)
{
	const struct elf_notes *n = &img->elf.notes;
	uint64_t at = n->hypercall_page - n->virt_base;

	if (!n->have_hypercall_page || !img->info.pv)
		return 0;
	if ((at & 0xfff) || n->hypercall_page < n->virt_base || at < img->info.start ||
	    at + 4096 > img->info.end)
		return err_set(e, EINVAL, "the hypercall page 0x%llx lies outside the image",
			       (unsigned long long)n->hypercall_page);
	return 0;
}

/* The types that the notes allow; with a reason if there is none. */
static int classify(struct image *img, struct err *e)
{
	const struct elf_notes *n = &img->elf.notes;
	struct image_info *i = &img->info;
	bool linux_kernel = strcmp(n->guest_os, "linux") == 0;
	struct err pv = {0};
	struct err pvh = {0};

	i->builder = linux_kernel ? IMAGE_LINUX : IMAGE_OWN;
	i->noxs = !linux_kernel && n->have_noxs && n->noxs_min <= NOXS_VERSION &&
		  n->noxs_max >= NOXS_VERSION;
	i->direct = i->noxs && n->noxs_entry != 0 && img->elf.elf64 && img->elf.x86_64;
	i->gate = i->direct && n->noxs_flags & NOXS_GATE;
	i->pv = i->direct || elf_check_pv(&img->elf, &pv) == 0;
	/* PVH page tables are 1:1, so a direct entry that is linked to another address can only
	 * be used as PV. */
	i->pvh = i->direct ? n->virt_base == 0 : elf_check_pvh(&img->elf, &pvh) == 0;
	i->virt_base = n->virt_base;
	(void)snprintf(i->guest_os, sizeof(i->guest_os), "%s", n->guest_os);
	if (!i->pv && !i->pvh && n->have_noxs && !i->noxs && !linux_kernel)
		return err_set(e, ENOEXEC, "it needs noxs ABI %u to %u; this chaos has %u",
			       n->noxs_min, n->noxs_max, NOXS_VERSION);
	if (!i->pv && !i->pvh) {
		const struct err *why = n->have_phys32_entry ? &pvh : &pv;

		return err_set(e, why->code, "%s", why->msg);
	}
	return linux_kernel ? 0 : place(img, e);
}

int image_open(int fd, const char *name, const char *cache_dir, struct image **out, struct err *e)
{
	struct image *img = calloc(1, sizeof(*img));
	struct unpacked unpacked = {.temp = ""};
	int rc;

	*out = NULL;
	if (!img)
		return err_set(e, ENOMEM, "out of memory");
	img->refs = 1;
	(void)snprintf(img->info.name, sizeof(img->info.name), "%s", name);
	if (fstat(fd, &img->info.file) < 0)
		rc = err_sys(e, errno, "cannot examine it");
	else
		rc = image_read_fd(fd, &img->file, &img->bytes, e);
	if (rc == 0 && image_is_packed(img->file, img->bytes))
		rc = image_unpack(&img->file, &img->bytes, cache_dir, &unpacked, e);
	if (rc == 0 && !elf_is(img->file, img->bytes))
		rc = err_set(e, ENOEXEC, "not an ELF or bzImage");
	if (rc == 0)
		rc = elf_parse(img->file, img->bytes, &img->elf, e);
	if (rc == 0)
		rc = classify(img, e);
	if (rc == 0 && img->info.builder == IMAGE_OWN)
		rc = check_hypercall_page(img, e);
	image_unpacked(&unpacked, rc == 0); /* nothing but kernels is kept */
	if (rc < 0) {
		image_put(img);
		return err_wrap(e, rc, "image \"%s\"", name);
	}
	img->info.bytes = sizeof(*img) + img->bytes;
	hypercall_page_fill(img->hypercall_page[DOM_PV], DOM_PV, cpu_is_amd());
	hypercall_page_fill(img->hypercall_page[DOM_PVH], DOM_PVH, cpu_is_amd());
	img->min_kib[DOM_PV] = image_min_kib(img, DOM_PV, 1, 0);
	img->min_kib[DOM_PVH] = image_min_kib(img, DOM_PVH, 1, 0);
	*out = img;
	return 0;
}

void image_free(struct image *img)
{
	free(img->file);
	free(img);
}
