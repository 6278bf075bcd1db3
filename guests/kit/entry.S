/* SPDX-License-Identifier: BSD-3-Clause */
/* The first instructions of every guest: three entries that all end in kit_start(), and ELF notes. */

#define XEN_NOTE_NUMBER(type, value) \
	.pushsection .note.Xen, "a", @note; \
	.balign 4; .long 4, 8, type; .asciz "Xen"; .quad value; \
	.popsection
#define XEN_NOTE_NUMBER32(type, value) \
	.pushsection .note.Xen, "a", @note; \
	.balign 4; .long 4, 4, type; .asciz "Xen"; .long value; \
	.popsection
#define XEN_NOTE_STRING(type, text) \
	.pushsection .note.Xen, "a", @note; \
	.balign 4; .long 4, 2f - 1f, type; .asciz "Xen"; 1: .asciz text; 2: .balign 4; \
	.popsection

/* Xen public/elfnote.h. KIT_FEW_NOTES: no more than Xen's own loader needs for PV; KIT_NO_NOTES: not
 * even these (guests/legacy gives such an image what came before notes). */
#ifndef KIT_NO_NOTES
XEN_NOTE_STRING(5, "xen-3.0")		/* XEN_VERSION */
XEN_NOTE_STRING(8, "generic")		/* LOADER */
XEN_NOTE_NUMBER(2, hypercall_page)	/* HYPERCALL_PAGE */
#ifndef KIT_FEW_NOTES
XEN_NOTE_STRING(6, "chaos-guest")	/* GUEST_OS */
XEN_NOTE_STRING(9, "yes")		/* PAE_MODE */
XEN_NOTE_NUMBER(3, 0)			/* VIRT_BASE */
XEN_NOTE_NUMBER(4, 0)			/* PADDR_OFFSET */
XEN_NOTE_NUMBER(1, entry_pv)		/* ENTRY */
XEN_NOTE_NUMBER32(18, entry_phys32)	/* PHYS32_ENTRY */
#endif
#endif

#ifndef KIT_NO_NOXS
	/* The noxs note: struct noxs_note with ABI 1..1, and the direct entry, which waits at a gate, or
	 * none. */
	.pushsection .note.noxs, "a", @note
	.balign 4
	.long 5, 16, 1
	.asciz "noxs"
	.balign 4
	.short 1, 1
#ifdef KIT_NO_DIRECT
	.long 0
	.quad 0
#else
	.long 2				/* NOXS_NOTE_GATE */
	.quad entry_direct
#endif
	.popsection
#endif

#ifndef KIT_STACK
#define KIT_STACK 3072
#endif

/* Where the standard PVH entry puts what the direct entry gets ready-made; such a guest has at least
 * 4 MiB, and its start information lies right behind the image. */
#define TABLES 0x200000

	.section .text.entry, "ax"
	.code64
	.globl entry_direct
entry_direct:				/* %rbx: the device page */
#ifdef KIT_LEAVES_GATE			/* a guest that does not wait, for tests: it has no gate */
	andl $~4, 12(%rbx)
#endif
#ifdef KIT_NEVER_AT_GATE		/* one that never comes there */
	testl $4, 12(%rbx)
1:	jnz 1b
#endif
	lea stack_top(%rip), %rsp
	mov %rbx, %rdi
	xor %esi, %esi			/* KIT_DIRECT */
	call kit_start
	ud2

	.globl entry_pv
entry_pv:				/* %rsi: struct start_info */
	lea stack_top(%rip), %rsp
	mov %rsi, %rdi
	mov $1, %esi			/* KIT_START_INFO */
	call kit_start
	ud2

	.code32
	.globl entry_phys32
entry_phys32:				/* %ebx: struct hvm_start_info; 32-bit, no paging */
	mov $TABLES, %edi		/* memory may come dirty */
	xor %eax, %eax
	mov $4 * 1024, %ecx
	rep stosl
	mov $(TABLES + 0x1000) + 7, %eax
	mov %eax, TABLES		/* level 4 */
	mov $(TABLES + 0x2000) + 7, %eax
	mov %eax, TABLES + 0x1000	/* level 3: the first GiB ... */
	mov $(TABLES + 0x3000) + 7, %eax
	mov %eax, TABLES + 0x1018	/* ... and the fourth */
	mov $TABLES + 0x2000, %edi
	mov $0x87, %eax			/* 2 MiB pages */
	mov $512, %ecx
1:	mov %eax, (%edi)
	add $0x200000, %eax
	add $8, %edi
	loop 1b
	mov $TABLES + 0x3000, %edi
	mov $0xc0000087, %eax
	mov $512, %ecx
2:	mov %eax, (%edi)
	add $0x200000, %eax
	add $8, %edi
	loop 2b
	mov $TABLES, %eax
	mov %eax, %cr3
	mov $0x620, %eax		/* PAE, OSFXSR, OSXMMEXCPT */
	mov %eax, %cr4
	mov $0xc0000080, %ecx
	mov $0x101, %eax		/* LME, SCE */
	xor %edx, %edx
	wrmsr
	mov $0x80000011, %eax		/* PG, ET, PE */
	mov %eax, %cr0
	lgdt boot_gdtr
	ljmp $8, $3f
	.code64
3:	mov $16, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	lea stack_top(%rip), %rsp
	mov %ebx, %edi
	mov $2, %esi			/* KIT_HVM_START_INFO */
	call kit_start
	ud2

	.section .rodata.entry, "a"
	.balign 8
	.globl boot_gdt
boot_gdt:
	.quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff
boot_gdtr:
	.word 23
	.long boot_gdt

	.section .bss.hypercall, "aw", @nobits
	.balign 4096
	.globl hypercall_page
hypercall_page:
	.skip 4096

	.section .bss.stack, "aw", @nobits
	.balign 16
	.globl stack_top
	.globl stack_bottom
stack_bottom:
	.skip KIT_STACK
stack_top:

	.section .note.GNU-stack, "", @progbits
