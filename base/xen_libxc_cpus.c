/* SPDX-License-Identifier: BSD-3-Clause */
/* Xen with libxenctrl: physical CPUs, and which vCPU may run on which. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/xen_private.h"

/* A host's only CPU may have no core id, because it has no topology. A CPU that does not exist
 * has no ids at all. */
static bool is_there(const xc_cputopo_t *t)
{
	return t->core != XEN_INVALID_CORE_ID || t->socket != XEN_INVALID_SOCKET_ID ||
	       t->node != XEN_INVALID_NODE_ID;
}

int xen_host_cpus(struct xen *x, struct xen_cpus *out)
{
	xc_cputopo_t *topo;
	unsigned int n = 0;
	int rc = 0;

	*out = (struct xen_cpus){0};
	if (xc_cputopoinfo(x->xch, &n, NULL) < 0)
		return -errno;
	topo = calloc(n, sizeof(*topo));
	out->node = malloc(n * sizeof(*out->node));
	if (!topo || !out->node)
		rc = -ENOMEM;
	else if (xc_cputopoinfo(x->xch, &n, topo) < 0)
		rc = -errno;
	for (unsigned int i = 0; rc == 0 && i < n; i++) {
		if (!is_there(&topo[i]))
			out->node[i] = XEN_NO_CPU;
		else
			out->node[i] = topo[i].node == XEN_INVALID_NODE_ID ? 0 : topo[i].node;
	}
	out->n = n;
	free(topo);
	if (rc < 0) {
		free(out->node);
		*out = (struct xen_cpus){0};
	}
	return rc;
}

int xen_vcpu_affinity(struct xen *x, uint32_t domid, uint32_t vcpu, const uint8_t *map,
		      size_t bytes)
{
	int host = xc_get_cpumap_size(x->xch);
	uint8_t *copy;
	int rc = 0;

	if (host <= 0)
		return -errno;
	/* Xen writes the effective map back, and reads as many bytes as the host has CPUs for. */
	copy = calloc(1, (size_t)host);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, map, bytes < (size_t)host ? bytes : (size_t)host);
	if (xc_vcpu_setaffinity(x->xch, domid, (int)vcpu, copy, NULL, XEN_VCPUAFFINITY_HARD) < 0)
		rc = -errno;
	free(copy);
	return rc;
}
