/* SPDX-License-Identifier: BSD-3-Clause */
/* The folder ROOT/ID of a container. Whatever is killed leaves one that has a state.json, or one
 * that nothing else belongs to: that blocks no id. */
#ifndef CHAOS_OCI_FOLDER_H
#define CHAOS_OCI_FOLDER_H

#include "base/err.h"
#include "oci/oci.h"

#define STATE_FILE "state.json"

/* The root as a file; the root with all above it is made. */
int folder_root(const struct oci *o, struct err *e);
int folder_make_root(const struct oci *o, struct err *e);

/* A new one, locked until the result is closed: with its state.json it is a container. One that has
 * none is replaced. -EEXIST: there is a container. */
int folder_make(const struct oci *o, const char *id, struct err *e);

/* With the files of chaos-oci in it, state.json last. `dir`: the one that is meant, if the id has
 * another by now that is left; -1: one without a state.json, -EEXIST if there is a container. */
int folder_remove(const struct oci *o, const char *id, int dir, struct err *e);

#endif
