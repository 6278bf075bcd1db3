/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads notes of Xen and noxs, and the older section __xen_guest. Each byte of the file is
 * examined a limited number of times. */
#include <elf.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "libdom/elf_file.h"

#include <xen/elfnote.h>

#define NOXS_OWNER "noxs"
#define NOXS_TYPE  1u
#define LEGACY	   "__xen_guest"
#define TEXT_MAX   4096u /* maximal size of a note; Xen's own loader accepts no longer one */

/* --- texts --- */

static void copy_text(char *to, size_t room, const char *from, size_t len)
{
	size_t n = 0;

	while (n < len && n + 1 < room && from[n] >= 0x20 && from[n] < 0x7f) {
		to[n] = from[n];
		n++;
	}
	to[n] = '\0';
}

/* The text at `at`, up to its NUL, as Xen's own loader reads it: the size of the note does not
 * matter. Returns its length, or -ENOENT if it does not end. */
static int text_at(struct elf_file *v, uint64_t at, struct err *e)
{
	size_t room = v->size - at < TEXT_MAX ? v->size - at : TEXT_MAX;
	size_t len = strnlen((const char *)v->bytes + at, room);
	int rc = elf_file_spend(v, len, e);

	return rc < 0 ? rc : len < room ? (int)len : -ENOENT;
}

/* FEATURES: names separated by |; ! before those that the guest requires. */
static void read_features(struct elf_notes *n, const char *text, size_t len)
{
	static const char *const known[] = {"writable_page_tables",
					    "writable_descriptor_tables",
					    "auto_translated_physmap",
					    "supervisor_mode_kernel",
					    "pae_pgdir_above_4gb",
					    "hvm_callback_vector",
					    "dom0"};
	const char *end = text + len;

	while (text < end) {
		const char *bar = memchr(text, '|', (size_t)(end - text));
		size_t size = (size_t)((bar ? bar : end) - text);
		bool found = *text != '!';

		for (size_t i = 0; *text == '!' && i < sizeof(known) / sizeof(known[0]); i++) {
			if (size - 1 != strlen(known[i]) ||
			    memcmp(text + 1, known[i], size - 1) != 0)
				continue;
			found = true;
			n->needs_dom0 = n->needs_dom0 || strcmp(known[i], "dom0") == 0;
		}
		if (!found) {
			copy_text(n->needs, sizeof(n->needs), size > 1 ? text + 1 : "?",
				  size > 1 ? size - 1 : 1);
			return;
		}
		text += size + 1;
	}
}

/* --- Xen's notes --- */

static int text_note(struct elf_file *v, struct elf_notes *n, uint32_t type, uint64_t at,
		     struct err *e)
{
	const char *text = (const char *)v->bytes + at;
	int len = text_at(v, at, e);

	if (len == -ENOENT)
		return 0; /* as if it were not there */
	if (len < 0)
		return len;
	if (type == XEN_ELFNOTE_GUEST_OS)
		copy_text(n->guest_os, sizeof(n->guest_os), text, (size_t)len);
	else if (type == XEN_ELFNOTE_XEN_VERSION)
		copy_text(n->xen_version, sizeof(n->xen_version), text, (size_t)len);
	else if (type == XEN_ELFNOTE_LOADER)
		copy_text(n->loader, sizeof(n->loader), text, (size_t)len);
	else
		read_features(n, text, (size_t)len);
	return 0;
}

/* Xen's own loader treats an address of all ones as not given. */
static void set(uint64_t *to, bool *have, uint64_t value)
{
	*have = value != UINT64_MAX;
	*to = *have ? value : 0;
}

static int number_note(struct elf_notes *n, uint32_t type, const uint8_t *desc, uint32_t len,
		       struct err *e)
{
	uint64_t value;

	if (len != 1 && len != 2 && len != 4 && len != 8)
		return err_set(e, EINVAL, "Xen note %u has %u bytes, not a number", type, len);
	value = number(desc, len);
	if (type == XEN_ELFNOTE_ENTRY) {
		set(&n->entry, &n->have_entry, value);
	} else if (type == XEN_ELFNOTE_HYPERCALL_PAGE) {
		set(&n->hypercall_page, &n->have_hypercall_page, value);
	} else if (type == XEN_ELFNOTE_VIRT_BASE) {
		set(&n->virt_base, &n->have_virt_base, value);
	} else if (type == XEN_ELFNOTE_PADDR_OFFSET) {
		set(&n->paddr_offset, &n->have_paddr_offset, value);
	} else if (type == XEN_ELFNOTE_INIT_P2M) {
		set(&n->init_p2m, &n->have_init_p2m, value);
	} else if (type == XEN_ELFNOTE_MOD_START_PFN) {
		n->mod_start_pfn = value != 0;
	} else {
		if (value > UINT32_MAX)
			return err_set(e, EINVAL, "the PVH entry 0x%llx is above 4 GiB",
				       (unsigned long long)value);
		n->phys32_entry = (uint32_t)value;
		n->have_phys32_entry = value != UINT32_MAX;
	}
	return 0;
}

static int xen_note(struct elf_file *v, struct elf_notes *n, uint32_t type, uint64_t desc,
		    uint32_t len, struct err *e)
{
	n->any = true;
	switch (type) {
	case XEN_ELFNOTE_GUEST_OS:
	case XEN_ELFNOTE_XEN_VERSION:
	case XEN_ELFNOTE_LOADER:
	case XEN_ELFNOTE_FEATURES:
		return text_note(v, n, type, desc, e);
	case XEN_ELFNOTE_ENTRY:
	case XEN_ELFNOTE_HYPERCALL_PAGE:
	case XEN_ELFNOTE_VIRT_BASE:
	case XEN_ELFNOTE_PADDR_OFFSET:
	case XEN_ELFNOTE_INIT_P2M:
	case XEN_ELFNOTE_MOD_START_PFN:
	case XEN_ELFNOTE_PHYS32_ENTRY:
		return number_note(n, type, v->bytes + desc, len, e);
	default:
		return 0;
	}
}

static int noxs_note(struct elf_notes *n, const uint8_t *desc, uint32_t len, struct err *e)
{
	if (len != 16)
		return err_set(e, EINVAL, "the noxs note has %u bytes instead of 16", len);
	n->noxs_min = (uint16_t)number(desc, 2);
	n->noxs_max = (uint16_t)number(desc + 2, 2);
	n->noxs_flags = (uint32_t)number(desc + 4, 4);
	n->noxs_entry = number(desc + 8, 8);
	if (n->noxs_min == 0 || n->noxs_min > n->noxs_max)
		return err_set(e, EINVAL, "the noxs note asks for ABI versions %u to %u",
			       n->noxs_min, n->noxs_max);
	n->have_noxs = true;
	return 0;
}

static bool owner_is(const uint8_t *name, uint32_t len, const char *want)
{
	return len == strlen(want) + 1 && memcmp(name, want, len) == 0;
}

/* One note at `at`, which ends before `end`; *next is where it ends. */
static int read_note(struct elf_file *v, uint64_t at, uint64_t end, uint64_t *next,
		     struct elf_notes *n, struct err *e)
{
	uint64_t name = at + sizeof(Elf64_Nhdr);
	uint64_t desc;
	Elf64_Nhdr h;
	int rc;

	memcpy(&h, v->bytes + at, sizeof(h));
	desc = name + (((uint64_t)h.n_namesz + 3) & ~3ull);
	*next = desc + (((uint64_t)h.n_descsz + 3) & ~3ull);
	if (desc > end || h.n_descsz > end - desc)
		return err_set(e, EINVAL, "an ELF note is longer than its section");
	if (++v->notes > ELF_NOTES_MAX)
		return err_set(e, E2BIG, "more than %u ELF notes", ELF_NOTES_MAX);
	rc = elf_file_spend(v, sizeof(h) + 2 * sizeof(uint64_t), e);
	if (rc < 0)
		return rc;
	if (owner_is(v->bytes + name, h.n_namesz, "Xen"))
		return xen_note(v, n, h.n_type, desc, h.n_descsz, e);
	if (owner_is(v->bytes + name, h.n_namesz, NOXS_OWNER) && h.n_type == NOXS_TYPE)
		return noxs_note(n, v->bytes + desc, h.n_descsz, e);
	return 0;
}

int notes_read(struct elf_file *v, uint64_t at, uint64_t size, struct elf_notes *n, struct err *e)
{
	uint64_t end = at + size;

	if (!inside(v, at, size))
		return err_set(e, EINVAL, "the ELF notes lie outside the file");
	while (at < end && end - at >= sizeof(Elf64_Nhdr)) {
		int rc = read_note(v, at, end, &at, n, e);

		if (rc < 0)
			return rc;
	}
	return 0;
}

/* --- sections --- */

struct section {
	uint32_t name, type;
	uint64_t offset, size;
};

/* `i` is below shnum; the section headers lie in the file. */
static int read_section(struct elf_file *v, const struct header *h, uint32_t i, struct section *s,
			struct err *e)
{
	const uint8_t *at = v->bytes + h->shoff + (uint64_t)i * h->shentsize;

	*s = (struct section){.name = (uint32_t)number(at, 4), .type = (uint32_t)number(at + 4, 4)};
	s->offset = v->elf64 ? number(at + offsetof(Elf64_Shdr, sh_offset), 8)
			     : number(at + offsetof(Elf32_Shdr, sh_offset), 4);
	s->size = v->elf64 ? number(at + offsetof(Elf64_Shdr, sh_size), 8)
			   : number(at + offsetof(Elf32_Shdr, sh_size), 4);
	return elf_file_spend(v, sizeof(*s), e);
}

static bool has_sections(const struct elf_file *v, const struct header *h)
{
	return h->shentsize == (v->elf64 ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr));
}

int notes_read_sections(struct elf_file *v, const struct header *h, struct elf_notes *n,
			struct err *e)
{
	int rc = 0;

	for (uint32_t i = 1; has_sections(v, h) && i < h->shnum && rc == 0; i++) {
		struct section s;

		rc = read_section(v, h, i, &s, e);
		if (rc == 0 && s.type == SHT_NOTE)
			rc = notes_read(v, s.offset, s.size, n, e);
	}
	return rc;
}

/* --- __xen_guest: NAME=value,NAME=value,... --- */

static void legacy_word(struct elf_notes *n, const char *name, size_t len, const char *value,
			size_t size)
{
	char text[128];
	uint64_t number;

	(void)snprintf(text, sizeof(text), "%.*s", (int)size, value);
	number = strtoull(text, NULL, 0);
#define IS(want) (len == strlen(want) && memcmp(name, want, len) == 0)
	if (IS("LOADER"))
		copy_text(n->loader, sizeof(n->loader), text, strlen(text));
	else if (IS("GUEST_OS"))
		copy_text(n->guest_os, sizeof(n->guest_os), text, strlen(text));
	else if (IS("XEN_VER"))
		copy_text(n->xen_version, sizeof(n->xen_version), text, strlen(text));
	else if (IS("FEATURES"))
		read_features(n, text, strlen(text));
	else if (IS("VIRT_BASE"))
		set(&n->virt_base, &n->have_virt_base, number);
	else if (IS("VIRT_ENTRY"))
		set(&n->entry, &n->have_entry, number);
	else if (IS("ELF_PADDR_OFFSET"))
		set(&n->paddr_offset, &n->have_paddr_offset, number);
	else if (IS("HYPERCALL_PAGE")) /* the number of a page behind VIRT_BASE */
		set(&n->hypercall_page, &n->have_hypercall_page, number << 12);
#undef IS
}

static int read_legacy(struct elf_file *v, uint64_t at, struct elf_notes *n, struct err *e)
{
	const char *text = (const char *)v->bytes + at;
	const char *end;
	int len = text_at(v, at, e);

	if (len < 0)
		return len == -ENOENT ? err_set(e, EINVAL, "its section " LEGACY " has no end")
				      : len;
	n->any = n->legacy = true;
	/* An unknown feature ends the parsing here, and is not an error. */
	for (end = text + len; text < end && !n->needs[0];) {
		const char *comma = memchr(text, ',', (size_t)(end - text));
		const char *stop = comma ? comma : end;
		const char *equals = memchr(text, '=', (size_t)(stop - text));

		if (equals)
			legacy_word(n, text, (size_t)(equals - text), equals + 1,
				    (size_t)(stop - equals - 1));
		text = stop + 1;
	}
	n->needs[0] = '\0';
	if (n->have_virt_base && n->have_hypercall_page)
		n->hypercall_page += n->virt_base;
	if (!n->have_paddr_offset) /* the meaning of p_paddr in that case */
		n->paddr_offset = n->virt_base;
	return 0;
}

int notes_read_legacy(struct elf_file *v, const struct header *h, struct elf_notes *n,
		      struct err *e)
{
	struct section names;
	int rc = 0;

	if (!has_sections(v, h) || h->shstrndx >= h->shnum)
		return 0;
	rc = read_section(v, h, h->shstrndx, &names, e);
	for (uint32_t i = 1; i < h->shnum && rc == 0; i++) {
		struct section s;
		uint64_t at;

		rc = read_section(v, h, i, &s, e);
		at = names.offset + s.name;
		if (rc < 0 || names.offset > v->size || !inside(v, at, sizeof(LEGACY)) ||
		    memcmp(v->bytes + at, LEGACY, sizeof(LEGACY)) != 0)
			continue;
		if (!inside(v, s.offset, 1))
			return err_set(e, EINVAL, "its section " LEGACY " lies outside the file");
		return read_legacy(v, s.offset, n, e);
	}
	return rc;
}
