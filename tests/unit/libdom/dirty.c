/* SPDX-License-Identifier: BSD-3-Clause */
/* Guests are built of pages that came dirty: all of an image's pages are its file's bytes and
 * zeroes, and so are the pages that guests expect to be zero. */
#include "libdom/libdom.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <xen/elfnote.h>

#include "tests/fake/fake.h"
#include "tests/unit/unit.h"

#define PAGE	 4096u
#define MEM_KIB	 (4u << 10)
#define SEGMENTS 4u
#define DATA	 (64u << 10) /* room for a segment's bytes in the file */

struct note {
	Elf64_Nhdr h;
	char name[4];
	uint64_t value;
};

struct file {
	Elf64_Ehdr eh;
	Elf64_Phdr ph[SEGMENTS + 2];
	struct note note[6];
	struct {
		Elf64_Nhdr h;
		char name[8];
		uint16_t min, max;
		uint32_t reserved;
		uint64_t entry;
	} noxs;
	uint8_t data[SEGMENTS][DATA];
};

static struct xen *x;
static uint32_t seed = 1;

static uint32_t dice(uint32_t n)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % n;
}

static void set_note(struct note *n, uint32_t type, uint64_t value)
{
	n->h = (Elf64_Nhdr){.n_namesz = 4, .n_descsz = 8, .n_type = type};
	memcpy(n->name, "Xen", 4);
	n->value = value;
}

/* `bytes` of the file, `more` zeroes behind them, from `at` on. */
static void segment(struct file *f, uint32_t i, uint64_t at, uint64_t bytes, uint64_t more)
{
	f->ph[i] = (Elf64_Phdr){.p_type = PT_LOAD,
				.p_flags = PF_R | PF_W,
				.p_offset = offsetof(struct file, data) + i * DATA,
				.p_paddr = at,
				.p_filesz = bytes,
				.p_memsz = bytes + more};
	for (uint64_t b = 0; b < bytes; b++)
		f->data[i][b] = (uint8_t)(b * 7 + i * 31 + 1);
}

static void begin(struct file *f, bool direct, uint64_t hypercall_page)
{
	uint64_t text;

	memset(f, 0, sizeof(*f));
	memcpy(f->eh.e_ident, ELFMAG, SELFMAG);
	f->eh.e_ident[EI_CLASS] = ELFCLASS64;
	f->eh.e_ident[EI_DATA] = ELFDATA2LSB;
	f->eh.e_machine = EM_X86_64;
	f->eh.e_phoff = offsetof(struct file, ph);
	f->eh.e_phentsize = sizeof(Elf64_Phdr);
	f->eh.e_phnum = SEGMENTS + 2;
	f->ph[SEGMENTS] = (Elf64_Phdr){.p_type = PT_NOTE,
				       .p_offset = offsetof(struct file, note),
				       .p_filesz = sizeof(f->note)};
	if (direct)
		f->ph[SEGMENTS + 1] = (Elf64_Phdr){.p_type = PT_NOTE,
						   .p_offset = offsetof(struct file, noxs),
						   .p_filesz = sizeof(f->noxs)};
	memcpy(&text, "generic", 8);
	set_note(&f->note[0], XEN_ELFNOTE_LOADER, text);
	memcpy(&text, "xen-3.0", 8);
	set_note(&f->note[1], XEN_ELFNOTE_XEN_VERSION, text);
	set_note(&f->note[2], XEN_ELFNOTE_VIRT_BASE, 0);
	set_note(&f->note[3], XEN_ELFNOTE_ENTRY, 0);
	set_note(&f->note[4], XEN_ELFNOTE_PHYS32_ENTRY, 0);
	set_note(&f->note[5], hypercall_page ? XEN_ELFNOTE_HYPERCALL_PAGE : 99, hypercall_page);
	f->noxs.h = (Elf64_Nhdr){.n_namesz = 5, .n_descsz = 16, .n_type = 1};
	memcpy(f->noxs.name, "noxs", 5);
	f->noxs.min = f->noxs.max = 1;
	f->noxs.entry = 0x1000;
}

static struct image *open_file(struct file *f)
{
	int fd = memfd_create("image", MFD_CLOEXEC);
	struct image *img = NULL;
	struct err e = {0};

	f->note[3].value = f->note[4].value = f->ph[0].p_paddr;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, f, sizeof(*f)), sizeof(*f));
	if (image_open(fd, "dirty", NULL, &img, &e) < 0)
		fail_msg("%s", e.msg);
	(void)close(fd);
	return img;
}

/* What all pages that a segment touches must hold; others are not looked at. */
static void check_image(uint32_t domid, const struct file *f, uint64_t hypercall_page)
{
	uint8_t *want = calloc(1, MEM_KIB * 1024);
	bool *touched = calloc(MEM_KIB / 4, sizeof(*touched));

	assert_non_null(want);
	assert_non_null(touched);
	for (uint32_t i = 0; i < SEGMENTS; i++) {
		const Elf64_Phdr *p = &f->ph[i];

		if (p->p_type != PT_LOAD || p->p_memsz == 0)
			continue;
		memcpy(want + p->p_paddr, f->data[i], p->p_filesz);
		for (uint64_t at = p->p_paddr / PAGE; at <= (p->p_paddr + p->p_memsz - 1) / PAGE;
		     at++)
			touched[at] = true;
	}
	for (uint64_t gfn = 0; gfn < MEM_KIB / 4; gfn++) {
		uint8_t *page;

		if (!touched[gfn] || gfn == hypercall_page / PAGE)
			continue;
		page = fake_page(domid, gfn);
		assert_non_null(page);
		if (memcmp(page, want + gfn * PAGE, PAGE) != 0)
			fail_msg("page 0x%llx of the image is not what it should be",
				 (unsigned long long)gfn);
		(void)munmap(page, PAGE);
	}
	free(touched);
	free(want);
}

static void check_hypercall_page(uint32_t domid, uint64_t at)
{
	uint8_t *page = fake_page(domid, at / PAGE);

	assert_non_null(page);
	assert_memory_equal(page + 0x20 + (page[0x20] == 0x51 ? 3 : 0), "\xb8\x01\0\0\0", 5);
	(void)munmap(page, PAGE);
}

struct way {
	enum dom_type type;
	bool direct, shell;
	uint32_t window;
};

static void build(const struct way *w, struct file *f, uint64_t hypercall_page)
{
	struct dom_load load = {.cmdline = "hello"};
	struct dom_spec spec = {.type = w->type, .mem_kib = MEM_KIB, .vcpus = 1, .cap = UINT32_MAX};
	struct image *img = open_file(f);
	struct err e = {0};
	struct dom d;

	assert_int_equal(image_info(img)->direct, w->direct);
	if (dom_prepare(x, &spec, w->shell ? NULL : img, &d, &e) < 0)
		fail_msg("%s", e.msg);
	if (w->window)
		assert_int_equal(dom_window(x, &d, w->window, &e), 0);
	if (dom_load(x, &d, img, &load, &e) < 0)
		fail_msg("%s", e.msg);
	check_image(d.domid, f,
		    w->type == DOM_PV || w->direct ? hypercall_page : UINT64_MAX - PAGE);
	if (hypercall_page && (w->type == DOM_PV || w->direct))
		check_hypercall_page(d.domid, hypercall_page);
	(void)dom_destroy(x, &d, NULL);
	image_put(img);
}

static const struct way ways[] = {
	{DOM_PV, false, false, 0},  {DOM_PVH, false, false, 0}, {DOM_PV, true, false, 0},
	{DOM_PVH, true, false, 0},  {DOM_PV, true, true, 0},	{DOM_PVH, true, true, 0},
	{DOM_PV, true, true, 16},   {DOM_PVH, true, true, 16},	{DOM_PV, true, true, 3},
	{DOM_PVH, true, true, 200},
};
#define WAYS (sizeof(ways) / sizeof(ways[0]))

static void bss_is_zero(void **state)
{
	static struct file f;

	(void)state;
	for (size_t i = 0; i < WAYS; i++) {
		begin(&f, ways[i].direct, 0x4000);
		segment(&f, 0, 0x1000, 0x123, 0x10);	    /* one page */
		segment(&f, 1, 0x2200, 0x100, 0x4000);	    /* bss with the hypercall page in it */
		segment(&f, 2, 0x6310, 0, 0x200 * PAGE);    /* nothing but bss, a lot of it */
		segment(&f, 3, 0x206400, 0x1000, 0x123456); /* in the last page of that */
		build(&ways[i], &f, 0x4000);
	}
}

/* Any segments: side by side in a page, pages apart, with and without bytes and zeroes. */
static void any_segments(void **state)
{
	static struct file f;

	(void)state;
	for (uint32_t round = 0; round < 200; round++) {
		const struct way *w = &ways[round % WAYS];
		uint64_t at = 0x1000 + dice(3) * dice(PAGE);
		uint64_t stub = 0;
		uint32_t n = 1 + dice(SEGMENTS);

		begin(&f, w->direct, 0);
		for (uint32_t i = 0; i < n; i++) {
			uint64_t bytes = dice(4) ? dice(dice(2) ? 64 : DATA) : 0;
			uint64_t more = dice(3) ? dice(dice(3) ? 2 * PAGE : 90 * PAGE) : 0;

			if (bytes + more == 0)
				more = 1;
			segment(&f, i, at, bytes, more);
			if (!stub && more > 2 * PAGE && dice(2))
				stub = (at + bytes + PAGE - 1) / PAGE * PAGE;
			at += bytes + more + (dice(2) ? dice(64) : dice(5 * PAGE));
		}
		if (stub)
			set_note(&f.note[5], XEN_ELFNOTE_HYPERCALL_PAGE, stub);
		build(w, &f, stub);
	}
}

static void start_pages_are_whole(void **state)
{
	static const char text[] = "a module";
	static struct file f;
	int fd = memfd_create("module", MFD_CLOEXEC);
	struct dom_module module = {fd, "module"};
	struct dom_load load = {.cmdline = "hello", .module = &module, .nmodule = 1};

	(void)state;
	assert_int_equal(write(fd, text, sizeof(text)), sizeof(text));
	for (int type = DOM_PV; type <= DOM_PVH; type++) {
		struct dom_spec spec = {/* the last page of its p2m is not full */
					.type = type,
					.mem_kib = MEM_KIB + 4,
					.vcpus = 1,
					.cap = UINT32_MAX};
		struct err e = {0};
		struct image *img;
		uint32_t dirt = 0;
		struct dom d;

		begin(&f, false, 0);
		segment(&f, 0, 0x1000, 0x10, 0);
		img = open_file(&f);
		assert_int_equal(dom_prepare(x, &spec, img, &d, &e), 0);
		if (dom_load(x, &d, img, &load, &e) < 0)
			fail_msg("%s", e.msg);
		/* image, module, p2m and start information; from there on the engine's two pages */
		for (uint64_t gfn = 1; gfn < (type == DOM_PV ? d.dev_gfn : 5); gfn++) {
			uint8_t *page = fake_page(d.domid, gfn);

			assert_non_null(page);
			for (uint32_t i = 0; i < PAGE; i++)
				dirt += page[i] == FAKE_DIRT;
			(void)munmap(page, PAGE);
		}
		assert_true(dirt < 8); /* by chance */
		(void)dom_destroy(x, &d, NULL);
		image_put(img);
	}
	(void)close(fd);
}

static int begin_dirty(void **state)
{
	(void)state;
	fake_reset();
	fake_set_dirty(true);
	return xen_open(&x, NULL);
}

static int end_dirty(void **state)
{
	struct fake_count n;

	(void)state;
	fake_count(&n);
	xen_close(x);
	fake_reset();
	return n.mapped_pages == 0 && n.domains == 0 ? 0 : -1;
}

int main(void)
{
#define DIRTY(f) cmocka_unit_test_setup_teardown(f, begin_dirty, end_dirty)
	const struct CMUnitTest tests[] = {
		DIRTY(bss_is_zero),
		DIRTY(any_segments),
		DIRTY(start_pages_are_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
