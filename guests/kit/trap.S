/* SPDX-License-Identifier: BSD-3-Clause */
/* Trap entries: each pushes its vector and goes to kit_trap(vector, error code, rip). */

	.section .text.trap, "ax"
	.code64

/* PV frames begin with the saved rcx and r11, then what hardware would push. */
#define HAS_ERROR_CODE(n) ((n) == 8 || ((n) >= 10 && (n) <= 14) || (n) == 17)

	.altmacro
	.macro one_pv n
	.balign 16
	pop %rcx
	pop %r11
	.if HAS_ERROR_CODE(\n)
	pop %rsi
	.else
	xor %esi, %esi
	.endif
	mov (%rsp), %rdx
	mov $\n, %edi
	jmp trap_common
	.endm
	.macro one_fault
	.balign 16
	jmp fault_pv
	.endm
	.macro one_hvm n
	.balign 16
	.if HAS_ERROR_CODE(\n)
	pop %rsi
	.else
	xor %esi, %esi
	.endif
	mov (%rsp), %rdx
	mov $\n, %edi
	jmp trap_common
	.endm

	.globl trap_entries_pv
	.globl trap_entries_hvm
	.balign 32
trap_entries_pv:
	n = 0
	.rept 32
	.balign 32
	.if n == 14
	one_fault
	.else
	one_pv %n
	.endif
	n = n + 1
	.endr
	.balign 32
trap_entries_hvm:
	n = 0
	.rept 32
	.balign 32
	one_hvm %n
	n = n + 1
	.endr

/* A page fault of PV: rcx, r11, error code, rip, cs, rflags, rsp, ss. A write to a page that is
 * there may be to a shared one (kit/cow.c). */
fault_pv:
	mov 16(%rsp), %rcx
	and $3, %ecx
	cmp $3, %ecx
	jne 1f
	push %rax
	push %rdx
	push %rsi
	push %rdi
	push %r8
	push %r9
	push %r10
	call kit_cow
	test %eax, %eax
	pop %r10
	pop %r9
	pop %r8
	pop %rdi
	pop %rsi
	pop %rdx
	pop %rax
	jz 1f
	pop %rcx
	pop %r11
	add $8, %rsp			/* the error code */
	orb $3, 8(%rsp)			/* Xen shows ring 0; kernels of PV are in ring 3 */
	movl $0, 12(%rsp)		/* beside cs: Xen's, of upcalls */
	iretq
1:	pop %rcx
	pop %r11
	pop %rsi
	mov (%rsp), %rdx
	mov $14, %edi
	jmp trap_common

trap_common:
	and $-16, %rsp
	call kit_trap
	ud2
	.section .note.GNU-stack, "", @progbits
