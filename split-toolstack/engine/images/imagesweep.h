/* SPDX-License-Identifier: BSD-3-Clause */
/* Cleans the image store at the start. */
#ifndef CHAOS_ENGINE_IMAGESWEEP_H
#define CHAOS_ENGINE_IMAGESWEEP_H

struct imageindex;

#define IMAGE_UNFINISHED "new-" /* beginning of the name of an incomplete copy */

/* In the folder `dirfd`: removes incomplete imports of a killed daemon, files without a name,
 * and names without a file. */
void imagesweep(struct imageindex *x, int dirfd);

#endif
