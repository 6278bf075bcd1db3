/* SPDX-License-Identifier: BSD-3-Clause */
/* What a container's root consists of on the host: a plain folder, or layers of overlayfs. */
#ifndef CHAOS_OCI_LAYERS_H
#define CHAOS_OCI_LAYERS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define LAYERS_OVER 8u

/*
 * The part of a root that is the same for all its containers, and can be an image that is kept; and
 * small layers over it, which are packed for each container: what the engine wrote for this one.
 * `key` names the part: it differs when one of its folders is another one or was changed.
 */
struct layers {
	uint32_t n;
	int over[LAYERS_OVER]; /* open folders, the uppermost first */
	char *below;   /* as option lowerdir of overlayfs; NULL: the root as it is mounted */
	bool metacopy; /* an option of the engine's mount that those need */
	char key[112];
};

/* Looks at a root. 1: it is worth an image; 0: it is small (a plain folder: of less than `least`
 * bytes), and best packed whole. layers_free() afterwards in any case. */
#define LAYERS_LEAST (4u << 20)
int layers_find(struct layers *l, const char *rootfs, uint64_t least, struct err *e);
/* How much the part may be as an image, at most: bytes. `rootfs` as above. */
int layers_size(const struct layers *l, const char *rootfs, uint64_t *bytes, struct err *e);
void layers_free(struct layers *l);

/* Of the text of a mountinfo: the options of the overlay that is mounted at `path`, the caller's;
 * NULL: there is none. With several, the last one counts. */
char *layers_options(const char *mountinfo, const char *path);
/* An option's value, the caller's; NULL: there is no such option. "": it has no value. */
char *layers_option(const char *options, const char *name);

#endif
