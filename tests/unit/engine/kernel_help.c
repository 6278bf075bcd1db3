/* SPDX-License-Identifier: BSD-3-Clause */
/* A Linux kernel for units: a small file that libdom takes for one. */
#include "tests/unit/engine/kernel_help.h"

#include <elf.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xen/elfnote.h>

#include "tests/unit/engine/engine_help.h"

#define VIRT_BASE 0xffffffff80000000ull

/* A kernel as far as libdom looks at one. */
struct note {
	Elf64_Nhdr h;
	char name[4];
	uint64_t value;
};

struct kernel {
	Elf64_Ehdr eh;
	Elf64_Phdr ph[2];
	struct note note[5];
	uint8_t code[64];
};

static char kernel_path[64];

static void set_note(struct note *n, uint32_t type, const void *value)
{
	n->h = (Elf64_Nhdr){.n_namesz = 4, .n_descsz = 8, .n_type = type};
	memcpy(n->name, "Xen", 4);
	memcpy(&n->value, value, 8);
}

int make_kernel(void **state)
{
	const uint64_t base = VIRT_BASE;
	const uint64_t entry = VIRT_BASE + KERNEL_GFN * 4096ull;
	const uint64_t phys = KERNEL_GFN * 4096ull;
	struct kernel k;
	int fd;

	(void)state;
	memset(&k, 0, sizeof(k));
	memcpy(k.eh.e_ident, ELFMAG, SELFMAG);
	k.eh.e_ident[EI_CLASS] = ELFCLASS64;
	k.eh.e_ident[EI_DATA] = ELFDATA2LSB;
	k.eh.e_machine = EM_X86_64;
	k.eh.e_phoff = offsetof(struct kernel, ph);
	k.eh.e_phentsize = sizeof(Elf64_Phdr);
	k.eh.e_phnum = 2;
	k.ph[0] = (Elf64_Phdr){.p_type = PT_LOAD,
			       .p_offset = offsetof(struct kernel, code),
			       .p_vaddr = entry,
			       .p_paddr = phys,
			       .p_filesz = sizeof(k.code),
			       .p_memsz = KERNEL_PAGES * 4096ull};
	k.ph[1] = (Elf64_Phdr){.p_type = PT_NOTE,
			       .p_offset = offsetof(struct kernel, note),
			       .p_filesz = sizeof(k.note)};
	set_note(&k.note[0], XEN_ELFNOTE_GUEST_OS, "linux\0\0");
	set_note(&k.note[1], XEN_ELFNOTE_VIRT_BASE, &base);
	set_note(&k.note[2], XEN_ELFNOTE_ENTRY, &entry);
	set_note(&k.note[3], XEN_ELFNOTE_PHYS32_ENTRY, &phys);
	set_note(&k.note[4], XEN_ELFNOTE_XEN_VERSION, "xen-3.0");
	(void)snprintf(kernel_path, sizeof(kernel_path), "/tmp/chaos-kernel-XXXXXX");
	fd = mkstemp(kernel_path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, &k, sizeof(k)), (ssize_t)sizeof(k));
	(void)close(fd);
	return 0;
}

int remove_kernel(void **state)
{
	(void)state;
	return unlink(kernel_path);
}

struct vm_config linux_guest(const char *name, enum dom_type type, uint64_t kib)
{
	struct vm_config c = guest(name, type, kib);

	free(c.kernel);
	c.kernel = strdup(kernel_path);
	c.cmdline = strdup("console=hvc0");
	return c;
}
