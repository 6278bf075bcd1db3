/* SPDX-License-Identifier: BSD-3-Clause */
/* Raw hypercalls through the hypercall page, which the builder or Xen has filled. */
#ifndef CHAOS_GUEST_HYPERCALL_H
#define CHAOS_GUEST_HYPERCALL_H

#include <stdint.h>

#include <xen/xen.h>

extern char hypercall_page[];

/* Arguments as Xen's 64-bit ABI has them: rdi, rsi, rdx, r10. */
static inline long hypercall(unsigned int nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	register uint64_t r10 __asm__("r10") = d;
	void *entry = hypercall_page + nr * 32;
	long ret;

	__asm__ volatile("call *%[entry]"
			 : "=a"(ret), "+D"(a), "+S"(b), "+d"(c), "+r"(r10)
			 : [entry] "r"(entry)
			 : "rcx", "r8", "r9", "r11", "memory");
	return ret;
}

static inline long hypercall2(unsigned int nr, uint64_t a, const void *b)
{
	return hypercall(nr, a, (uint64_t)b, 0, 0);
}

#endif
