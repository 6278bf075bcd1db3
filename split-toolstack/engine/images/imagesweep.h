/* SPDX-License-Identifier: BSD-3-Clause */
/* The store of images put in order, at the start. */
#ifndef CHAOS_ENGINE_IMAGESWEEP_H
#define CHAOS_ENGINE_IMAGESWEEP_H

struct imageindex;

#define IMAGE_UNFINISHED "new-" /* what the name of a copy under way begins with */

/* Of the folder `dirfd`: what an import that was killed left goes, files that no name has, and
 * names whose files are gone. */
void imagesweep(struct imageindex *x, int dirfd);

#endif
