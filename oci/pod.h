/* SPDX-License-Identifier: BSD-3-Clause */
/* Pods: the sandbox is a VM without a root, and its containers are in that VM, each with a root of
 * its own. podman's pods have a first container in place of a sandbox, which has a root and a
 * process. */
#ifndef CHAOS_OCI_POD_H
#define CHAOS_OCI_POD_H

#include "oci/bundle.h"
#include "oci/state.h"

/* What annotations of CRI say a bundle is. */
enum pod_role { POD_NONE, POD_SANDBOX, POD_MEMBER };
enum pod_role pod_role(const struct bundle *b);
/* Of a member: the id of its sandbox. NULL: it does not say that. */
const char *pod_sandbox(const struct bundle *b);

/* podman: the first container of the pod is another runtime's, so this one has a VM of its own.
 * False: it cannot be so. */
bool pod_forget(struct bundle *b);

/* Of a mount in a bundle: the name of the pod's volume (emptyDir of Kubernetes) that it binds, a
 * folder in the VM then, which is empty at first. NULL: it binds another folder. */
const char *pod_volume(const json_t *mount);

/* The name of a container of a pod in the VM. */
const char *pod_name(const struct container *c);
/* What the VM is told of its root, as MAKE of join.h: the caller's. NULL: no memory. */
json_t *pod_words(const struct bundle *b, const struct container *c);

/* The sandbox, of which a monitor runs. container_close() afterwards in any case. */
int pod_open(const struct bundle *b, const struct oci *o, struct container *sandbox, struct err *e);
/* Makes its root in the VM: of the image that the plan has, as a disk, and of the archive. */
int pod_join(struct container *c, const struct container *sandbox, const struct bundle *b,
	     const struct plan *p, const struct oci *o, struct err *e);
/* Ends the container in the VM, and takes its disk away; a VM that has ended needs neither. If that
 * cannot be asked it is an error: nothing was forgotten, and it can be tried again. */
int pod_leave(const struct container *c, const struct oci *o, struct err *e);

#endif
