/* SPDX-License-Identifier: BSD-3-Clause */
/* What a process gives up that works on data which others wrote: for a child or a program, after
 * its files are open and before seccomp. */
#ifndef CHAOS_CONFINE_H
#define CHAOS_CONFINE_H

#include <stdint.h>
#include <sys/resource.h>

/* RLIMIT_*, soft and hard. */
void confine_limit(int resource, rlim_t to);
/* RLIMIT_AS: so many bytes in addition to what is mapped now, most of it inherited of the parent.
 */
void confine_memory(uint64_t bytes);
/* When memory runs out, the kernel kills this process, not chaosd. */
void confine_die_first(void);
/* Is nobody, writes no core, cannot be traced, and is killed when its parent ends: which may have
 * happened before this call. 0, or -EPERM: root's rights could not be dropped. */
int confine_to_nobody(void);

#endif
