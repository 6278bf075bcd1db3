/* SPDX-License-Identifier: BSD-3-Clause */
/* A bundle: config.json of the OCI runtime specification, and what a VM is made of. */
#ifndef CHAOS_OCI_BUNDLE_H
#define CHAOS_OCI_BUNDLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "oci/image.h"

struct network;

struct bundle {
	char *path;   /* absolute */
	char *rootfs; /* absolute */
	json_t *config;
};

/* Reads and checks the bundle in folder `path`. -EINVAL names the member of config.json that is
 * wrong. bundle_free() afterwards in any case. */
int bundle_read(struct bundle *b, const char *path, struct err *e);
void bundle_free(struct bundle *b);

/* Members of config.json by their way from the top ("linux.resources.memory.limit"); none, or one
 * of another type: NULL, or `otherwise`. */
const json_t *bundle_get(const struct bundle *b, const char *way);
const char *bundle_text(const struct bundle *b, const char *way);
int64_t bundle_number(const struct bundle *b, const char *way, int64_t otherwise);
/* An annotation; NULL: there is none. */
const char *bundle_annotation(const struct bundle *b, const char *key);
/* Whether no name in the path is "..". */
bool bundle_path_stays(const char *path);

#define OCI_KERNEL_ANNOTATION "org.chaos.kernel" /* path of the kernel in the image */
#define OCI_MEMORY_ANNOTATION "org.chaos.memory" /* as memory= of a VM: MiB, or with K, M, G */
#define OCI_TYPE_ANNOTATION   "org.chaos.type"	 /* pv or pvh */
#define OCI_KERNEL_PATH	      ".chaos/kernel"	 /* of images that have no annotation */

/* The VM of a container. Texts are keys of chaos.cfg(5), "key=text". */
struct plan {
	char *set[24]; /* ends with NULL */
	int kernel_fd;
	int initrd_fd;	     /* -1: it is a unikernel */
	char from[136];	     /* a snapshot whose copies wait in the pool, to be taken; "": a VM is
			      * booted. Then the initramfs has the container's part alone */
	struct image image;  /* of the root, in use as long as it is open; -1: there is none */
	struct err no_image; /* why there is none, if one was due */
};

/* What a bundle asks for. A unikernel is opened inside the image, so that its links lead nowhere
 * else; of other images Linux runs, from file `linux_kernel`; a large root becomes an image in
 * `cache` (NULL: none does). `from`: NULL, or the snapshot of a Linux that has booted, of which a
 * copy is used if what the agent has to be sent is not too much. plan_free() afterwards in any
 * case. */
int plan_make(struct plan *p, const struct bundle *b, const char *linux_kernel,
	      const struct image_cache *cache, const char *from, const char *name, const char *uuid,
	      struct err *e);
/* No VM is taken: one is booted with this initramfs. */
int plan_boot(struct plan *p, const char *linux_kernel, struct err *e);
/* The VM stands for the interfaces of the network namespace in which process `pid` is. */
int plan_add_network(struct plan *p, const struct network *n, int pid, struct err *e);
void plan_free(struct plan *p);
/* cgroup's cpu.shares as a weight of Xen's scheduler, and a quota as percent of a CPU. */
unsigned int plan_weight(int64_t shares);
int64_t plan_percent(int64_t quota, int64_t period);

#endif
