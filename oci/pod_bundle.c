/* SPDX-License-Identifier: BSD-3-Clause */
/* What a bundle says of pods: annotations of containerd's CRI, and those that CRI-O and podman use.
 */
#include <string.h>

#include "oci/pod.h"

static const char *const types[] = {"io.kubernetes.cri.container-type",
				    "io.kubernetes.cri-o.ContainerType"};
static const char *const sandboxes[] = {"io.kubernetes.cri.sandbox-id",
					"io.kubernetes.cri-o.SandboxID"};

static const char *first_of(const struct bundle *b, const char *const keys[2])
{
	const char *text = bundle_annotation(b, keys[0]);

	return text ? text : bundle_annotation(b, keys[1]);
}

enum pod_role pod_role(const struct bundle *b)
{
	const char *type = first_of(b, types);

	if (type && strcmp(type, "sandbox") == 0)
		return POD_SANDBOX;
	return type && strcmp(type, "container") == 0 ? POD_MEMBER : POD_NONE;
}

const char *pod_sandbox(const struct bundle *b)
{
	return first_of(b, sandboxes);
}

bool pod_forget(struct bundle *b)
{
	json_t *annotations = json_object_get(b->config, "annotations");

	if (json_object_get(annotations, types[0]))
		return false;
	return json_object_del(annotations, types[1]) == 0;
}

#define VOLUMES "/volumes/kubernetes.io~empty-dir/"

const char *pod_volume(const json_t *mount)
{
	const char *source = json_string_value(json_object_get(mount, "source"));
	const char *name = source ? strstr(source, VOLUMES) : NULL;

	if (!name)
		return NULL;
	name += strlen(VOLUMES);
	return *name && *name != '.' && strlen(name) < 128 && !strpbrk(name, "/\n") ? name : NULL;
}

/* A PID namespace that has a path is that of the pod; one that is not named is the VM's, too. */
static bool has_own_pids(const struct bundle *b)
{
	const json_t *v;
	size_t i;

	json_array_foreach(bundle_get(b, "linux.namespaces"), i, v)
	{
		const char *type = json_string_value(json_object_get(v, "type"));

		if (type && strcmp(type, "pid") == 0)
			return !json_object_get(v, "path");
	}
	return false;
}

json_t *pod_words(const struct bundle *b, const struct container *c)
{
	json_t *mounts = (json_t *)(uintptr_t)bundle_get(b, "mounts");

	return json_pack("{s:s, s:s*, s:O*, s:b, s:b}", "container", c->uuid, "image",
			 c->disk[0] ? c->disk : NULL, "mounts",
			 json_is_array(mounts) ? mounts : NULL, "readonly",
			 json_is_true(bundle_get(b, "root.readonly")), "pids", !has_own_pids(b));
}
