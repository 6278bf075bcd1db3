/* SPDX-License-Identifier: BSD-3-Clause */
/* config.json: read, checked, asked. */
#include "oci/bundle.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const json_t *bundle_get(const struct bundle *b, const char *way)
{
	const json_t *at = b->config;

	while (at && *way) {
		size_t len = strcspn(way, ".");

		at = json_object_getn(at, way, len);
		way += len;
		way += *way == '.';
	}
	return at;
}

const char *bundle_text(const struct bundle *b, const char *way)
{
	return json_string_value(bundle_get(b, way));
}

int64_t bundle_number(const struct bundle *b, const char *way, int64_t otherwise)
{
	const json_t *v = bundle_get(b, way);

	return json_is_integer(v) ? json_integer_value(v) : otherwise;
}

const char *bundle_annotation(const struct bundle *b, const char *key)
{
	/* keys have dots in them */
	return json_string_value(json_object_get(bundle_get(b, "annotations"), key));
}

/* --- checks --- */

static int check_texts(const json_t *list, const char *what, struct err *e)
{
	const json_t *v;
	size_t i;

	if (list && !json_is_array(list))
		return err_set(e, EINVAL, "config.json: %s is not an array", what);
	json_array_foreach(list, i, v)
	{
		if (!json_is_string(v))
			return err_set(e, EINVAL, "config.json: %s[%zu] is not a string", what, i);
	}
	return 0;
}

static int check_hook(const json_t *h, const char *kind, struct err *e)
{
	const char *path = json_string_value(json_object_get(h, "path"));
	int rc;

	if (!path || path[0] != '/')
		return err_set(e, EINVAL, "config.json: a hook of %s has no absolute path", kind);
	rc = check_texts(json_object_get(h, "args"), "args of a hook", e);
	return rc < 0 ? rc : check_texts(json_object_get(h, "env"), "env of a hook", e);
}

static int check_hooks(const struct bundle *b, struct err *e)
{
	json_t *all = json_object_get(b->config, "hooks");
	const char *kind;
	json_t *list;

	json_object_foreach(all, kind, list)
	{
		const json_t *h;
		size_t i;

		json_array_foreach(list, i, h)
		{
			int rc = check_hook(h, kind, e);

			if (rc < 0)
				return rc;
		}
		/* It would run inside the container, where there is no such program. */
		if (strcmp(kind, "startContainer") == 0 && json_array_size(list) > 0)
			return err_set(e, ENOTSUP,
				       "config.json: hooks.startContainer is not supported: these "
				       "hooks would have to run in the VM");
	}
	return 0;
}

static int check(const struct bundle *b, struct err *e)
{
	const char *version = bundle_text(b, "ociVersion");
	int rc;

	if (!version)
		return err_set(e, EINVAL, "config.json: ociVersion is missing");
	if (strncmp(version, "1.", 2) != 0)
		return err_set(e, EINVAL, "config.json: ociVersion %s: only 1.x is supported",
			       version);
	if (!bundle_text(b, "root.path"))
		return err_set(e, EINVAL, "config.json: root.path is missing");
	rc = check_texts(bundle_get(b, "process.args"), "process.args", e);
	if (rc == 0)
		rc = check_texts(bundle_get(b, "process.env"), "process.env", e);
	return rc < 0 ? rc : check_hooks(b, e);
}

static char *absolute(const char *folder, const char *path)
{
	char *joined = NULL;
	char *real;

	if (path[0] == '/')
		return realpath(path, NULL);
	if (asprintf(&joined, "%s/%s", folder, path) < 0)
		return NULL;
	real = realpath(joined, NULL);
	free(joined);
	return real;
}

int bundle_read(struct bundle *b, const char *path, struct err *e)
{
	json_error_t at;
	char *file = NULL;
	int rc;

	memset(b, 0, sizeof(*b));
	b->path = realpath(path, NULL);
	if (!b->path)
		return err_sys(e, errno, "bundle \"%s\"", path);
	if (asprintf(&file, "%s/config.json", b->path) < 0)
		return err_set(e, ENOMEM, "out of memory");
	b->config = json_load_file(file, JSON_REJECT_DUPLICATES, &at);
	if (!b->config)
		rc = err_set(e, EINVAL, "%s: line %d: %s", file, at.line, at.text);
	else
		rc = check(b, e);
	free(file);
	if (rc < 0)
		return rc;
	b->rootfs = absolute(b->path, bundle_text(b, "root.path"));
	return b->rootfs ? 0 : err_sys(e, errno, "root.path \"%s\"", bundle_text(b, "root.path"));
}

void bundle_free(struct bundle *b)
{
	json_decref(b->config);
	free(b->path);
	free(b->rootfs);
	memset(b, 0, sizeof(*b));
}

bool bundle_path_stays(const char *path)
{
	for (const char *p = path; p; p = strchr(p, '/')) {
		p += *p == '/';
		if (strncmp(p, "..", 2) == 0 && (p[2] == '/' || !p[2]))
			return false;
	}
	return true;
}
