/* SPDX-License-Identifier: BSD-3-Clause */
/* Instead of libc's: pthread_cond_wait() that counts. */
#include "tests/unit/engine/cond_help.h"

#include <pthread.h>

atomic_int cond_waits;

int __real_pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *l);
int __wrap_pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *l);
int __wrap_pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *l)
{
	(void)atomic_fetch_add(&cond_waits, 1);
	return __real_pthread_cond_wait(c, l);
}
