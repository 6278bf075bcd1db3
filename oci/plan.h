/* SPDX-License-Identifier: BSD-3-Clause */
/* Parts of a plan. */
#ifndef CHAOS_OCI_PLAN_H
#define CHAOS_OCI_PLAN_H

#include "oci/bundle.h"

#define PLAN_LINUX_MIB 128 /* when nothing is said */

/* One more key of chaos.cfg(5). */
int plan_add(struct plan *p, struct err *e, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int plan_linux(struct plan *p, const struct bundle *b, const char *kernel,
	       const struct image_cache *cache, const char *from, struct err *e);
/* Of a container in a VM that runs: its image, and the rest of its root as an archive. */
int plan_root(struct plan *p, const struct bundle *b, const char *kernel,
	      const struct image_cache *cache, struct err *e);
/* A Linux that boots to the agent, for no container yet: without name and memory. plan_free()
 * afterwards in any case. */
int plan_empty_linux(struct plan *p, const char *kernel, struct err *e);

#endif
