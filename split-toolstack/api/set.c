/* SPDX-License-Identifier: BSD-3-Clause */
/* PATCH /v1/vms/{vm}: settings of a VM that runs. */
#include "split-toolstack/api/api.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define SETTINGS_MAX 8u

char *setting_text(const char *key, const json_t *value)
{
	char *text = NULL;
	int rc = -1;

	if (json_is_string(value))
		rc = asprintf(&text, "%s=%s", key, json_string_value(value));
	else if (json_is_integer(value))
		rc = asprintf(&text, "%s=%lld", key, (long long)json_integer_value(value));
	return rc < 0 ? NULL : text;
}

void run_set(struct rq *rq)
{
	json_error_t je;
	json_t *body =
		json_loadb(rq->body ? rq->body : "", rq->body_len, JSON_REJECT_DUPLICATES, &je);
	char *set[SETTINGS_MAX + 1] = {NULL};
	struct chaos_request cr;
	const char *key;
	json_t *value;
	uint32_t n = 0;
	bool ok = json_object_size(body) >= 1 && json_object_size(body) <= SETTINGS_MAX;

	json_object_foreach(body, key, value)
	{
		ok = ok && (set[n] = setting_text(key, value)) != NULL;
		n += ok;
	}
	if (!ok) {
		rq_problem(rq, EINVAL,
			   "the body must be like {\"memory\":256,\"cpu_weight\":512,\"cap\":50}");
	} else {
		chaos_request_init(&cr, CHAOS_SET);
		cr.vm = rq->what;
		cr.set = (const char *const *)set;
		rq->on_reply = rq->route->answer;
		backend_send(rq, &cr);
	}
	for (uint32_t i = 0; i < n; i++)
		free(set[i]);
	json_decref(body);
}
