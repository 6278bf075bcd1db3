/* SPDX-License-Identifier: BSD-3-Clause */
/* Opening images: what each kind can be started as, and the words for what cannot. */
#include "libdom/libdom.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/unit.h"

#ifndef __has_feature
#define __has_feature(x) 0
#endif

/* A 32-bit image with one Xen note. */
struct file {
	Elf32_Ehdr eh;
	Elf32_Phdr ph[2];
	struct {
		Elf32_Nhdr h;
		char name[4];
		uint32_t value;
	} note;
	uint8_t code[16];
};

static struct file elf32(uint32_t note)
{
	struct file f;

	memset(&f, 0, sizeof(f));
	memcpy(f.eh.e_ident, ELFMAG, SELFMAG);
	f.eh.e_ident[EI_CLASS] = ELFCLASS32;
	f.eh.e_ident[EI_DATA] = ELFDATA2LSB;
	f.eh.e_machine = EM_386;
	f.eh.e_phoff = offsetof(struct file, ph);
	f.eh.e_phentsize = sizeof(Elf32_Phdr);
	f.eh.e_phnum = 2;
	f.ph[0] = (Elf32_Phdr){.p_type = PT_LOAD,
			       .p_offset = offsetof(struct file, code),
			       .p_paddr = 0x100000,
			       .p_filesz = sizeof(f.code),
			       .p_memsz = 0x1000};
	f.ph[1] = (Elf32_Phdr){.p_type = PT_NOTE,
			       .p_offset = offsetof(struct file, note),
			       .p_filesz = sizeof(f.note)};
	f.note.h = (Elf32_Nhdr){.n_namesz = 4, .n_descsz = 4, .n_type = note};
	memcpy(f.note.name, "Xen", 4);
	f.note.value = 0x100000;
	return f;
}

static int open_bytes(const void *bytes, size_t n, struct image **out, struct err *e)
{
	int fd = memfd_create("image", MFD_CLOEXEC);
	int rc;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, n), (ssize_t)n);
	*e = (struct err){0};
	rc = image_open(fd, "test", NULL, out, e);
	(void)close(fd);
	return rc;
}

static void refuse(const void *bytes, size_t n, int code, const char *words)
{
	struct image *img;
	struct err e;
	int rc = open_bytes(bytes, n, &img, &e);

	assert_null(img);
	if (rc != -code || !strstr(e.msg, words) || !strstr(e.msg, "image \"test\""))
		fail_msg("wanted %d \"%s\", got %d \"%s\"", code, words, -rc, e.msg);
}

static void pvh_of_32_bits_is_taken(void **state)
{
	struct file f = elf32(18); /* PHYS32_ENTRY */
	struct image *img;
	struct err e;

	(void)state;
	assert_int_equal(open_bytes(&f, sizeof(f), &img, &e), 0);
	assert_true(image_info(img)->pvh);
	assert_false(image_info(img)->pv);
	assert_false(image_info(img)->noxs);
	assert_int_equal(image_min_kib(img, DOM_PVH, 1, 0), (0x101 + 2) * 4);
	assert_true(image_min_kib(img, DOM_PVH, 1, 1 << 20) >= 1024 + 0x101 * 4);
	image_put(img);
}

static void refuses_with_words(void **state)
{
	struct file f = elf32(1); /* ENTRY alone: PV */
	static uint8_t zeros[4096];

	(void)state;
	refuse(&f, sizeof(f), ENOEXEC, "a 32-bit PV guest");
	f = elf32(99);
	f.eh.e_ident[EI_CLASS] = ELFCLASS32;
	refuse(&f, sizeof(f), ENOEXEC, "32-bit PV");
	refuse("", 0, ENOEXEC, "the file is empty");
	refuse("#!/bin/sh\n", 10, ENOEXEC, "not an ELF or bzImage");
	refuse(zeros, sizeof(zeros), ENOEXEC, "not an ELF or bzImage");
#if !__has_feature(address_sanitizer) /* whose runtime makes calls that the filter forbids */
	refuse("\x1f\x8b\x08 this is no gzip stream at all", 30, ENOEXEC, "damaged");
#endif
}

static void a_real_guest_is_both(void **state)
{
	int fd = open(GUEST_NOOP, O_RDONLY | O_CLOEXEC);
	struct image *img;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(image_open(fd, "noop", NULL, &img, NULL), 0);
	(void)close(fd);
	assert_true(image_info(img)->pv && image_info(img)->pvh);
	assert_true(image_info(img)->noxs && image_info(img)->direct);
	assert_true(image_min_kib(img, DOM_PV, 1, 0) <= 17 * 4);
	assert_true(image_min_kib(img, DOM_PVH, 1, 0) <= 13 * 4);
	image_put(image_ref(img));
	image_put(img);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pvh_of_32_bits_is_taken),
		cmocka_unit_test(refuses_with_words),
		cmocka_unit_test(a_real_guest_is_both),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
