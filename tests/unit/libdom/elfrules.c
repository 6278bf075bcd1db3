/* SPDX-License-Identifier: BSD-3-Clause */
/* What Xen's own loader takes is taken, and nothing else: each image here is shown to libxenguest,
 * too, which needs no Xen for looking at one. */
#include "libdom/image_elf.h"

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xenctrl.h>
#include <xenguest.h>
#include <xentoollog.h>

#include <xen/elfnote.h>

#include "tests/unit/libdom/elf_help.h"
#include "tests/unit/unit.h"

/* --- libxenguest --- */

static void be_quiet(xentoollog_logger *l, xentoollog_level level, int errnoval,
		     const char *context, const char *format, va_list al)
{
	(void)l, (void)level, (void)errnoval, (void)context, (void)format, (void)al;
}

static xentoollog_logger quiet = {.vmessage = be_quiet};
static xc_interface *xch;

static bool xen_takes(uint8_t *file, size_t bytes, bool hvm)
{
	struct xc_dom_image *dom = xc_dom_allocate(xch, "", NULL);
	bool ok;

	assert_non_null(dom);
	dom->container_type = hvm ? XC_DOM_HVM_CONTAINER : XC_DOM_PV_CONTAINER;
	(void)snprintf(dom->xen_caps, sizeof(dom->xen_caps), "%s",
		       "xen-3.0-x86_64 hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64");
	ok = xc_dom_kernel_mem(dom, file, bytes) == 0 && xc_dom_parse_image(dom) == 0;
	/* Not as the firmware of HVM guests, which any other ELF file may be. The loader's name is
	 * its first member. */
	ok = ok && strcmp(*(const char *const *)(void *)dom->kernel_loader, "ELF-generic") == 0;
	xc_dom_release(dom);
	return ok;
}

/* --- both are asked --- */

static void compare(struct builder *b, bool *pv, bool *pvh)
{
	uint8_t *copy = malloc(b->at);
	struct elf_image img;
	struct err e[3] = {{0}};
	int rc;

	assert_non_null(copy);
	memcpy(copy, b->file, b->at);
	rc = elf_parse(copy, b->at, &img, &e[0]);
	*pv = rc == 0 && elf_check_pv(&img, &e[1]) == 0;
	*pvh = rc == 0 && elf_check_pvh(&img, &e[2]) == 0;
	if (*pv != xen_takes(copy, b->at, false) || *pvh != xen_takes(copy, b->at, true))
		fail_msg("Xen's loader: PV %d, PVH %d; ours: parse \"%s\", PV \"%s\", PVH \"%s\"",
			 xen_takes(copy, b->at, false), xen_takes(copy, b->at, true),
			 err_msg(&e[0]), err_msg(&e[1]), err_msg(&e[2]));
	free(copy);
}

static void expect(struct builder *b, bool want_pv, bool want_pvh)
{
	bool pv, pvh;

	compare(b, &pv, &pvh);
	assert_int_equal(pv, want_pv);
	assert_int_equal(pvh, want_pvh);
}

static void notes_without_entry_and_base(void **state)
{
	struct builder b;

	(void)state;
	elf_begin(&b, true);
	elf_text(&b, XEN_ELFNOTE_LOADER, "generic");
	elf_text(&b, XEN_ELFNOTE_XEN_VERSION, "xen-3.0");
	elf_end(&b, EM_X86_64, ELF_START, ELF_START + 8, IN_SEGMENT, NULL);
	expect(&b, true, false); /* by e_entry, at base 0 */
	elf_end(&b, EM_X86_64, ELF_START, ELF_END + 8, IN_SEGMENT, NULL);
	expect(&b, false, false); /* which is outside */
}

static void any_class_for_pvh(void **state)
{
	struct builder b;

	(void)state;
	for (int i = 0; i < 4; i++) {
		elf_begin(&b, i & 1);
		elf_word(&b, XEN_ELFNOTE_PHYS32_ENTRY, ELF_START, 4);
		elf_end(&b, i & 2 ? EM_X86_64 : EM_386, ELF_START, 0, IN_SEGMENT, NULL);
		expect(&b, false, true);
	}
	elf_begin(&b, false); /* a 64-bit PV kernel in a 32-bit file */
	elf_text(&b, XEN_ELFNOTE_GUEST_OS, "linux");
	elf_text(&b, XEN_ELFNOTE_XEN_VERSION, "xen-3.0");
	elf_end(&b, EM_X86_64, ELF_START, ELF_START, IN_SEGMENT, NULL);
	expect(&b, true, false);
	elf_end(&b, EM_386, ELF_START, ELF_START, IN_SEGMENT, NULL);
	expect(&b, false, false);
}

static void the_legacy_section(void **state)
{
	struct builder b;

	(void)state;
	elf_begin(&b, true);
	b.at += 64;
	elf_end(&b, EM_X86_64, ELF_START, ELF_START, NOWHERE,
		"GUEST_OS=Mini-OS,XEN_VER=xen-3.0,VIRT_BASE=0x0,ELF_PADDR_OFFSET=0x0,"
		"HYPERCALL_PAGE=0x101,LOADER=generic");
	expect(&b, true, false);
	elf_begin(&b, true); /* p_paddr is a virtual address, as it was then */
	b.at += 64;
	elf_end(&b, EM_X86_64, 0xc0000000u + ELF_START, 0xc0000000u + ELF_START, NOWHERE,
		"LOADER=generic,XEN_VER=xen-3.0,VIRT_BASE=0xc0000000");
	expect(&b, true, false);
	elf_begin(&b, true); /* notes come first */
	elf_text(&b, XEN_ELFNOTE_GUEST_VERSION, "1");
	elf_end(&b, EM_X86_64, ELF_START, ELF_START, IN_SECTION, "LOADER=generic,XEN_VER=xen-3.0");
	expect(&b, false, false);
}

static void features(void **state)
{
	static const struct {
		const char *text;
		bool ok;
	} list[] = {{"writable_page_tables|!pae_pgdir_above_4gb", true},
		    {"!writable_page_tables", true},
		    {"!no_such_thing", false},
		    {"no_such_thing", true},
		    {"!dom0", false},
		    {"dom0", true},
		    {"!", false},
		    {"", true},
		    {"||", true}};
	struct builder b;

	(void)state;
	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		elf_begin(&b, true);
		elf_text(&b, XEN_ELFNOTE_LOADER, "generic");
		elf_text(&b, XEN_ELFNOTE_XEN_VERSION, "xen-3.0");
		elf_text(&b, XEN_ELFNOTE_FEATURES, list[i].text);
		elf_word(&b, XEN_ELFNOTE_PHYS32_ENTRY, ELF_START, 4);
		elf_end(&b, EM_X86_64, ELF_START, ELF_START, IN_SEGMENT, NULL);
		expect(&b, list[i].ok, list[i].ok);
	}
}

/* --- any combination --- */

static uint32_t seed = 12345;

static uint32_t dice(uint32_t n)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % n;
}

static uint64_t address(void)
{
	static const uint64_t list[] = {0,
					ELF_START,
					ELF_START + 0x10,
					ELF_END,
					ELF_END + 1,
					0xc0000000u,
					0xc0000000u + ELF_START,
					0xffffffff80000000ull,
					0xffffffff80000000ull + ELF_START,
					UINT64_MAX,
					UINT32_MAX};

	return list[dice(sizeof(list) / sizeof(list[0]))];
}

static void random_note(struct builder *b)
{
	static const char *const loaders[] = {"generic", "generic2", "other", ""};
	static const char *const systems[] = {"linux", "linux-like", "other", ""};
	static const char *const versions[] = {"xen-3.0", "xen-3.0-x86_64", "xen-4", ""};
	static const uint32_t addresses[] = {XEN_ELFNOTE_ENTRY, XEN_ELFNOTE_VIRT_BASE,
					     XEN_ELFNOTE_PADDR_OFFSET, XEN_ELFNOTE_HYPERCALL_PAGE,
					     XEN_ELFNOTE_INIT_P2M};

	switch (dice(12)) {
	case 0:
		elf_text(b, XEN_ELFNOTE_GUEST_OS, systems[dice(4)]);
		break;
	case 1:
	case 2:
		elf_text(b, XEN_ELFNOTE_LOADER, loaders[dice(4) * dice(2)]);
		break;
	case 3:
	case 4:
		elf_text(b, XEN_ELFNOTE_XEN_VERSION, versions[dice(4) * dice(2)]);
		break;
	case 5:
		elf_text(b, XEN_ELFNOTE_PAE_MODE, "yes");
		break;
	case 6:
		elf_word(b, XEN_ELFNOTE_PHYS32_ENTRY, address() & UINT32_MAX, 4 << dice(2));
		break;
	case 7:
		elf_text(b, XEN_ELFNOTE_FEATURES,
			 dice(4) ? "!writable_page_tables" : "!unheard_of");
		break;
	case 8:
		elf_word(b, 77, 1, 4);
		break;
	default:
		elf_word(b, addresses[dice(5)], address(), dice(5) ? 8 : 1 << dice(3));
	}
}

static void random_legacy(char *out, size_t room)
{
	static const char *const words[] = {"LOADER=generic",
					    "XEN_VER=xen-3.0",
					    "GUEST_OS=linux",
					    "VIRT_BASE=0x0",
					    "VIRT_BASE=0xc0000000",
					    "ELF_PADDR_OFFSET=0x0",
					    "VIRT_ENTRY=0x100000",
					    "VIRT_ENTRY=0xc0100000",
					    "HYPERCALL_PAGE=0x2",
					    "PAE=yes",
					    "BSD",
					    "VIRT_ENTRY=0x1",
					    "FEATURES=!unheard_of",
					    "FEATURES=writable_page_tables"};
	uint32_t n = dice(7);

	*out = '\0';
	for (uint32_t i = 0; i < n; i++)
		(void)snprintf(
			out + strlen(out), room - strlen(out), "%s%s", i ? "," : "",
			words[i < 2 && dice(8) ? i : dice(sizeof(words) / sizeof(words[0]))]);
}

static void any_combination(void **state)
{
	uint32_t taken[2] = {0, 0};

	(void)state;
	for (uint32_t i = 0; i < 60000; i++) {
		bool legacy = dice(4) == 0;
		uint32_t n = legacy ? dice(8) == 0 : dice(9);
		char old[512];
		struct builder b;
		bool pv, pvh;

		elf_begin(&b, dice(3) != 0);
		while (n--)
			random_note(&b);
		if (b.at < b.notes + 64)
			b.at = b.notes + 64;
		random_legacy(old, sizeof(old));
		elf_end(&b, dice(4) ? EM_X86_64 : EM_386,
			dice(3) ? ELF_START : 0xc0000000u + ELF_START, address(),
			legacy ? NOWHERE : (enum place)dice(4), legacy ? old : NULL);
		compare(&b, &pv, &pvh);
		taken[0] += pv;
		taken[1] += pvh;
	}
	print_message("taken for PV %u, for PVH %u\n", taken[0], taken[1]);
	assert_true(taken[0] > 1000 && taken[1] > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(notes_without_entry_and_base),
		cmocka_unit_test(any_class_for_pvh),
		cmocka_unit_test(the_legacy_section),
		cmocka_unit_test(features),
		cmocka_unit_test(any_combination),
	};

	xch = xc_interface_open(&quiet, &quiet, XC_OPENFLAG_DUMMY);
	if (!xch)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
