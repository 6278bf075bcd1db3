/* SPDX-License-Identifier: BSD-3-Clause */
/* The ELF and note parser: real guests are taken, every kind of broken one is refused with words.
 */
#include "libdom/image_elf.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

/* A small good image: header, two program headers, notes, 32 bytes of code. */
struct file {
	Elf64_Ehdr eh;
	Elf64_Phdr ph[3];
	struct {
		Elf64_Nhdr h;
		char name[4];
		uint64_t value;
	} __attribute__((packed)) note[3];
	struct {
		Elf64_Nhdr h;
		char name[8];
		uint16_t min, max;
		uint32_t flags;
		uint64_t entry;
	} __attribute__((packed)) noxs;
	uint8_t code[32];
} __attribute__((packed));

static struct file good(void)
{
	struct file f;

	memset(&f, 0, sizeof(f));
	memcpy(f.eh.e_ident, ELFMAG, SELFMAG);
	f.eh.e_ident[EI_CLASS] = ELFCLASS64;
	f.eh.e_ident[EI_DATA] = ELFDATA2LSB;
	f.eh.e_machine = EM_X86_64;
	f.eh.e_entry = 0x1000;
	f.eh.e_phoff = offsetof(struct file, ph);
	f.eh.e_phentsize = sizeof(Elf64_Phdr);
	f.eh.e_phnum = 3;
	f.ph[0] = (Elf64_Phdr){.p_type = PT_LOAD,
			       .p_offset = offsetof(struct file, code),
			       .p_paddr = 0x4000,
			       .p_filesz = 16,
			       .p_memsz = 0x2000};
	f.ph[1] = (Elf64_Phdr){.p_type = PT_LOAD,
			       .p_offset = offsetof(struct file, code) + 16,
			       .p_paddr = 0x1000,
			       .p_filesz = 16,
			       .p_memsz = 0x1000};
	f.ph[2] = (Elf64_Phdr){.p_type = PT_NOTE,
			       .p_offset = offsetof(struct file, note),
			       .p_filesz = sizeof(f.note) + sizeof(f.noxs)};
	for (int i = 0; i < 3; i++) {
		f.note[i].h = (Elf64_Nhdr){
			.n_namesz = 4, .n_descsz = 8, .n_type = (Elf64_Word[]){1, 3, 2}[i]};
		memcpy(f.note[i].name, "Xen", 4);
		f.note[i].value = (uint64_t[]){0x1010, 0, 0x5000}[i];
	}
	f.noxs.h = (Elf64_Nhdr){.n_namesz = 5, .n_descsz = 16, .n_type = 1};
	memcpy(f.noxs.name, "noxs", 5);
	f.noxs.min = f.noxs.max = 1;
	f.noxs.flags = 0x80000002; /* one of them has no meaning yet */
	f.noxs.entry = 0x1020;
	return f;
}

static int parse(const struct file *f, struct elf_image *out, struct err *e)
{
	/* On the heap and exact, so that AddressSanitizer sees every byte too far. */
	void *copy = malloc(sizeof(*f));
	int rc;

	assert_non_null(copy);
	memcpy(copy, f, sizeof(*f));
	*e = (struct err){0};
	rc = elf_parse(copy, sizeof(*f), out, e);
	free(copy);
	return rc;
}

static void takes_a_good_one(void **state)
{
	struct file f = good();
	struct elf_image img;
	struct err e;

	(void)state;
	assert_int_equal(parse(&f, &img, &e), 0);
	assert_int_equal(img.nsegment, 2);
	assert_int_equal(img.segment[0].paddr, 0x1000); /* in order of address */
	assert_int_equal(img.start, 0x1000);
	assert_int_equal(img.end, 0x6000);
	assert_int_equal(img.notes.entry, 0x1010);
	assert_true(img.notes.have_virt_base);
	assert_int_equal(img.notes.hypercall_page, 0x5000);
	assert_true(img.notes.have_noxs);
	assert_int_equal(img.notes.noxs_entry, 0x1020);
	assert_int_equal(img.notes.noxs_flags, 0x80000002);
}

static void refuse(const struct file *f, int code, const char *words)
{
	struct elf_image img;
	struct err e;
	int rc = parse(f, &img, &e);

	if (rc != -code || !strstr(e.msg, words))
		fail_msg("wanted %d \"%s\", got %d \"%s\"", code, words, -rc, e.msg);
}

static void refuses_with_words(void **state)
{
	struct file f;

	(void)state;
	f = good(), f.eh.e_ident[0] = 'x', refuse(&f, ENOEXEC, "not an ELF");
	f = good(), f.eh.e_ident[EI_CLASS] = 7, refuse(&f, ENOEXEC, "unknown class");
	f = good(), f.eh.e_ident[EI_DATA] = ELFDATA2MSB, refuse(&f, ENOEXEC, "byte order");
	f = good(), f.eh.e_machine = EM_AARCH64, refuse(&f, ENOEXEC, "machine 183");
	f = good(), f.eh.e_phnum = 0, refuse(&f, ENOEXEC, "no program headers");
	f = good(), f.eh.e_phnum = 60000, refuse(&f, ENOEXEC, "outside the file");
	f = good(), f.eh.e_phoff = UINT64_MAX - 8, refuse(&f, ENOEXEC, "outside the file");
	f = good(), f.eh.e_phentsize = 8, refuse(&f, ENOEXEC, "outside the file");
	f = good(), f.ph[0].p_offset = UINT64_MAX, refuse(&f, EINVAL, "outside the file");
	f = good(), f.ph[0].p_filesz = sizeof(f), f.ph[0].p_memsz = 0x10000,
	refuse(&f, EINVAL, "cut off");
	f = good(), f.ph[0].p_memsz = 4, refuse(&f, EINVAL, "larger in the file");
	f = good(), f.ph[0].p_memsz = UINT64_MAX, refuse(&f, EINVAL, "outside memory");
	f = good(), f.ph[0].p_paddr = UINT64_MAX - 4, refuse(&f, EINVAL, "outside memory");
	f = good(), f.ph[0].p_paddr = 0x1800, refuse(&f, EINVAL, "overlap");
	f = good(), f.ph[0].p_type = f.ph[1].p_type = PT_NULL,
	refuse(&f, ENOEXEC, "nothing to load");
	f = good(), f.ph[2].p_offset = sizeof(f), refuse(&f, EINVAL, "outside the file");
	f = good(), f.ph[2].p_type = PT_NULL, refuse(&f, ENOEXEC, "without Xen notes");
	f = good(), f.note[0].h.n_descsz = UINT32_MAX,
	refuse(&f, EINVAL, "longer than its section");
	f = good(), f.note[0].h.n_namesz = UINT32_MAX,
	refuse(&f, EINVAL, "longer than its section");
	f = good(), f.note[1].h.n_type = 18, f.note[1].value = 1ull << 32,
	refuse(&f, EINVAL, "above 4 GiB");
	f = good(), f.noxs.min = 0, refuse(&f, EINVAL, "ABI versions 0 to 1");
	f = good(), f.noxs.max = 0, refuse(&f, EINVAL, "ABI versions");
}

static void survives_every_length(void **state)
{
	struct file f = good();

	(void)state;
	for (size_t n = 0; n < sizeof(f); n++) {
		uint8_t *copy = malloc(n ? n : 1);
		struct elf_image img;

		assert_non_null(copy);
		memcpy(copy, &f, n);
		if (n < offsetof(struct file, code) + 32)
			assert_true(elf_parse(copy, n, &img, NULL) < 0);
		free(copy);
	}
}

/* --- the work for a file grows no faster than the file --- */

enum bomb { SEGMENTS, SECTIONS, MANY, TEXTS, HONEST };

/* A file of about `bytes`, of which half are headers, where the bomb has many, and the rest notes.
 */
static uint8_t *bomb(enum bomb kind, size_t bytes, size_t *size)
{
	static const struct {
		Elf64_Nhdr h;
		char name[4];
	} note = {{4, 0, 77}, "Xen"}, other = {{4, 0, 77}, "xen"}, text = {{4, 4000, 6}, "Xen"};
	size_t n = kind == SEGMENTS || kind == TEXTS ? bytes / 2 / sizeof(Elf64_Phdr) : 3;
	size_t sections = kind == SECTIONS ? bytes / 2 / sizeof(Elf64_Shdr) : 0;
	size_t left = kind == HONEST ? 60000 : kind == TEXTS ? 0 : SIZE_MAX;
	struct file f = good();
	uint8_t *file;
	size_t from;
	size_t at;

	n = n < 60000 ? n : 60000;
	sections = sections < 60000 ? sections : 60000;
	*size = bytes + sizeof(f);
	file = calloc(1, *size);
	assert_non_null(file);
	f.eh.e_phoff = sizeof(f);
	f.eh.e_phnum = (Elf64_Half)n;
	f.eh.e_shoff = sizeof(f) + n * sizeof(Elf64_Phdr);
	f.eh.e_shnum = (Elf64_Half)sections;
	f.eh.e_shentsize = sizeof(Elf64_Shdr);
	memcpy(file, &f, sizeof(f));
	at = from = f.eh.e_shoff + sections * sizeof(Elf64_Shdr);
	if (kind == TEXTS) { /* one long one, under every header */
		memcpy(file + at, &text, sizeof(text));
		memset(file + at + sizeof(text), 'x', 3999);
		at += sizeof(text) + 4000;
	}
	for (; *size - at >= sizeof(note) && left; at += sizeof(note), left--)
		memcpy(file + at, kind == SECTIONS ? &other : &note, sizeof(note));
	for (size_t i = 0; i < n; i++) {
		Elf64_Phdr p = {.p_type = PT_NOTE, .p_offset = from, .p_filesz = at - from};

		if (i < 2)
			p = f.ph[i];
		else if (kind == SECTIONS)
			p.p_type = PT_NULL;
		memcpy(file + f.eh.e_phoff + i * sizeof(p), &p, sizeof(p));
	}
	for (size_t i = 0; i < sections; i++) {
		Elf64_Shdr s = {.sh_type = SHT_NOTE, .sh_offset = from, .sh_size = at - from};

		memcpy(file + f.eh.e_shoff + i * sizeof(s), &s, sizeof(s));
	}
	return file;
}

static void work_is_linear(void **state)
{
	static const struct {
		enum bomb kind;
		const char *words; /* NULL: taken */
	} list[] = {{SEGMENTS, "more than 65536 ELF notes"},
		    {SECTIONS, "more than 65536 ELF notes"},
		    {MANY, "more than 65536 ELF notes"},
		    {TEXTS, "again and again"},
		    {HONEST, NULL}};

	(void)state;
	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		for (size_t bytes = 2u << 20; bytes <= 16u << 20; bytes *= 2) {
			struct elf_image img;
			struct err e = {0};
			size_t size;
			uint8_t *file = bomb(list[i].kind, bytes, &size);
			int rc = elf_parse(file, size, &img, &e);

			if (list[i].words ? rc != -E2BIG || !strstr(e.msg, list[i].words) : rc < 0)
				fail_msg("bomb %zu of %zu bytes: %d \"%s\"", i, bytes, rc, e.msg);
			assert_true(img.work <= ELF_WORK_MAX(size) + 4096);
			assert_true(list[i].words || img.work <= 2 * size);
			free(file);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_a_good_one),
		cmocka_unit_test(refuses_with_words),
		cmocka_unit_test(survives_every_length),
		cmocka_unit_test(work_is_linear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
