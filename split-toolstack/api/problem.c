/* SPDX-License-Identifier: BSD-3-Clause */
/* What went wrong as an answer: RFC 9457, with the status that an errno stands for; and warnings.
 */
#include "split-toolstack/api/api.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "split-toolstack/libchaos/json.h"

static unsigned int status_of(int code)
{
	switch (code) {
	case ESRCH:
	case ENOENT:
	case ENODEV: /* a bridge */
		return MHD_HTTP_NOT_FOUND;
	case EEXIST:
	case EBUSY:
	case ECANCELED:
		return MHD_HTTP_CONFLICT;
	case EINVAL:
	case EPROTO:
		return MHD_HTTP_BAD_REQUEST;
	case EOPNOTSUPP:
	case ENOEXEC:
	case ENOSYS:
		return 422;
	case E2BIG:
	case EMSGSIZE:
		return 413;
	case EACCES:
	case EPERM:
		return MHD_HTTP_FORBIDDEN;
	case ETIMEDOUT:
		return MHD_HTTP_REQUEST_TIMEOUT;
	case ENOMEM:
	case ENOSPC:
		return 507;
	case ECONNREFUSED:
	case ECONNRESET:
	case EPIPE:
		return MHD_HTTP_SERVICE_UNAVAILABLE;
	default:
		return MHD_HTTP_INTERNAL_SERVER_ERROR;
	}
}

static const char *title_of(unsigned int status)
{
	switch (status) {
	case 400:
		return "malformed request or wrong value";
	case 403:
		return "not allowed";
	case 404:
		return "not found";
	case 405:
		return "the path does not support this method";
	case 408:
		return "timeout";
	case 409:
		return "name taken or state not suitable";
	case 413:
		return "too large";
	case 422:
		return "not supported by host or image";
	case 503:
		return "chaosd does not answer";
	case 507:
		return "not enough memory or disk space";
	default:
		return "failed";
	}
}

void rq_refuse(struct rq *rq, unsigned int status, int code, const char *detail)
{
	json_decref(rq->json);
	rq->json = json_pack("{s:s,s:s,s:i,s:o}", "type", "about:blank", "title", title_of(status),
			     "status", (int)status, "detail", text_json(detail));
	if (code)
		(void)json_object_set_new(rq->json, "errno", json_string(strerrorname_np(code)));
	rq->text_type = "application/problem+json";
	free(rq->text);
	rq->text = NULL;
	rq_answer(rq, status);
}

void rq_keep_warning(struct rq *rq, const struct chaos_reply *r)
{
	if (!r->warning[0])
		return;
	if (!rq->json)
		rq->json = json_array();
	(void)json_array_append_new(rq->json, text_json(r->warning));
}

void rq_problem(struct rq *rq, int code, const char *fmt, ...)
{
	char detail[600];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(detail, sizeof(detail), fmt, ap);
	va_end(ap);
	rq_refuse(rq, status_of(code), code, detail);
}
