/* SPDX-License-Identifier: BSD-3-Clause */
/* Access to memory that another domain can write at any moment. */
#ifndef CHAOS_BASE_SHARED_H
#define CHAOS_BASE_SHARED_H

#include <stdint.h>

/* A value in shared memory is loaded once and checked; afterwards only the copy is used. These
 * accessors prevent the compiler from loading it twice or in parts. Publish an index last, with
 * store_release; load the other side's index with load_acquire before you read the data it
 * announces. */
#define shared_load(p)		   __atomic_load_n((p), __ATOMIC_RELAXED)
#define shared_load_acquire(p)	   __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define shared_store(p, v)	   __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define shared_store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define shared_fence()		   __atomic_thread_fence(__ATOMIC_SEQ_CST)

/* Copies `len` bytes from or to shared memory. The other side may write meanwhile, so the copy
 * may be a mixture of old and new bytes: check the copy, not the original. */
static inline void shared_read(void *to, const volatile void *from, uint32_t len)
{
	__builtin_memcpy(to, (const void *)(uintptr_t)from, len);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

static inline void shared_write(volatile void *to, const void *from, uint32_t len)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	__builtin_memcpy((void *)(uintptr_t)to, from, len);
}

#endif
