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
	one_pv %n
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

trap_common:
	and $-16, %rsp
	call kit_trap
	ud2
	.section .note.GNU-stack, "", @progbits
