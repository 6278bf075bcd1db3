/* SPDX-License-Identifier: BSD-3-Clause */
/* Words of a command line over what the container has. */
#include "oci/process.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static bool is_same_variable(const char *a, const char *b)
{
	size_t len = strcspn(a, "=");

	return strncmp(a, b, len) == 0 && b[len] == '=';
}

/* Replaces the one that has its name: programs look at the first. */
static int set_variable(json_t *env, json_t *word, struct err *e)
{
	const char *text = json_string_value(word);
	const json_t *v;
	size_t i;

	if (!text || text[0] == '=' || !strchr(text, '='))
		return err_set(e, EINVAL, "env: \"%s\" is not NAME=VALUE", text ? text : "");
	json_array_foreach(env, i, v)
	{
		const char *there = json_string_value(v);

		if (there && is_same_variable(text, there)) {
			(void)json_array_set(env, i, word);
			return 0;
		}
	}
	(void)json_array_append(env, word);
	return 0;
}

static int set_env(json_t *p, const json_t *words, struct err *e)
{
	json_t *env = json_object_get(p, "env");
	json_t *v;
	size_t i;
	int rc = 0;

	if (!json_is_array(env)) {
		env = json_array();
		(void)json_object_set_new(p, "env", env);
	}
	json_array_foreach(json_object_get(words, "env"), i, v)
	{
		if (rc == 0)
			rc = set_variable(env, v, e);
	}
	return rc;
}

static json_t *copy_of_files(const json_t *words, struct err *e)
{
	const char *way = json_string_value(json_object_get(words, "copy"));

	if (!way || (strcmp(way, "send") != 0 && strcmp(way, "receive") != 0)) {
		(void)err_set(e, EINVAL, "copy: neither \"send\" nor \"receive\"");
		return NULL;
	}
	return json_pack("{s:s, s:s, s:O}", "copy", way, "cwd", "/", "args",
			 json_object_get(words, "args"));
}

json_t *process_beside(const json_t *base, const json_t *words, struct err *e)
{
	json_t *cwd = json_object_get(words, "cwd");
	json_t *user = json_object_get(words, "user");
	json_t *p;

	if (!json_is_array(json_object_get(words, "args"))) {
		(void)err_set(e, EINVAL, "args is not an array");
		return NULL;
	}
	if (json_object_get(words, "copy"))
		return copy_of_files(words, e);
	p = base ? json_deep_copy(base) : json_pack("{s:s, s:[s]}", "cwd", "/", "env", PATH);
	if (!p) {
		(void)err_set(e, ENOMEM, "out of memory");
		return NULL;
	}
	(void)json_object_set(p, "args", json_object_get(words, "args"));
	(void)json_object_set_new(p, "terminal",
				  json_boolean(json_is_true(json_object_get(words, "terminal"))));
	(void)json_object_del(p, "consoleSize");
	if (json_is_string(cwd))
		(void)json_object_set(p, "cwd", cwd);
	if (json_is_string(user))
		(void)json_object_set_new(p, "user", json_pack("{s:O}", "name", user));
	if (set_env(p, words, e) == 0)
		return p;
	json_decref(p);
	return NULL;
}
