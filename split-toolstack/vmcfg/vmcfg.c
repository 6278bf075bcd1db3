/* SPDX-License-Identifier: BSD-3-Clause */
/* Parses a configuration: syntax with libxlutil, names of keys with cfglex, values with the
 * table of keys. */
#include "split-toolstack/vmcfg/private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "split-toolstack/vmcfg/cfglex.h"

/* --- values of the file --- */

static int from_file(const char *name, void *arg, struct err *e)
{
	struct vmcfg_walk *w = arg;
	XLU_ConfigList *list = NULL;
	const char *value = NULL;
	int n = 0;

	if (xlu_cfg_get_list(w->xlu, name, &list, &n, 1) == 0)
		return vmcfg_set_list(w, name, list, n, e);
	if (xlu_cfg_get_string(w->xlu, name, &value, 1) != 0 || !value)
		return err_set(e, EINVAL, "%s: its value is neither a text, a number nor a list",
			       name);
	return vmcfg_set_key(w, name, value, e);
}

static int read_text(struct vmcfg_walk *w, struct err *e)
{
	char *report = NULL;
	size_t report_len = 0;
	size_t len;
	char *text = vmcfg_text(w->v, &len);
	FILE *f = open_memstream(&report, &report_len);
	int rc = -ENOMEM;

	if (!text || !f)
		goto out;
	if (len > INT32_MAX || memchr(text, '\0', len)) {
		rc = err_set(e, EINVAL, "the configuration is not text");
		goto out;
	}
	w->xlu = xlu_cfg_init(f, w->v->name ? w->v->name : "config");
	if (!w->xlu)
		goto out;
	rc = xlu_cfg_readdata(w->xlu, text, (int)len);
	(void)fflush(f);
	if (rc != 0)
		rc = vmcfg_syntax_error(w->v, report ? report : "", e);
	else
		rc = cfglex_keys(text, len, from_file, w, e);
out:
	if (rc == -ENOMEM && e->code == 0)
		(void)err_set(e, ENOMEM, "out of memory");
	if (w->xlu)
		xlu_cfg_destroy(w->xlu);
	w->xlu = NULL;
	if (f)
		(void)fclose(f);
	free(report);
	free(text);
	return rc;
}

static int apply_sets(struct vmcfg_walk *w, struct err *e)
{
	for (uint32_t i = 0; i < w->v->set.n; i++) {
		char *eq = strchr(w->v->set.item[i], '=');
		int rc;

		if (!eq)
			return err_set(e, EINVAL, "\"%s\": not of the form key=value",
				       w->v->set.item[i]);
		*eq = '\0';
		rc = vmcfg_set_key(w, w->v->set.item[i], eq + 1, e);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Without cmdline, root and extra form the command line, as with xl. */
static int join_cmdline(struct vmcfg_walk *w, struct err *e)
{
	char *line = NULL;

	if (w->have_cmdline || (!w->root && !w->extra))
		return 0;
	if (asprintf(&line, "%s%s%s%s", w->root ? "root=" : "", w->root ? w->root : "",
		     w->root && w->extra ? " " : "", w->extra ? w->extra : "") < 0)
		return err_set(e, ENOMEM, "out of memory");
	free(w->c->cmdline);
	w->c->cmdline = line;
	return 0;
}

/* Called at the end: texts for vCPUs that do not exist are ignored, as with xl. */
static int read_cpus(struct vmcfg_walk *w, struct err *e)
{
	if (w->cpus_each)
		while (w->cpus.n > vm_config_vcpus(w->c))
			free(w->cpus.item[--w->cpus.n]);
	return vmcfg_cpus(w->v->xen, "cpus", &w->cpus, w->cpus_each, &w->c->cpus, e);
}

int vmcfg_parse(struct vmcfg *v, struct vm_config *out, struct err *e)
{
	struct vmcfg_walk w = {.v = v, .c = out};
	int rc = 0;

	vm_config_init(out);
	if (v->text || v->override.n)
		rc = read_text(&w, e);
	if (rc == 0)
		rc = apply_sets(&w, e);
	if (rc == 0)
		rc = vmcfg_refuse(&w, e);
	if (rc == 0)
		rc = join_cmdline(&w, e);
	if (rc == 0 && w.pvh && !w.have_type)
		out->type = DOM_PVH;
	if (rc == 0 && w.cpus.n)
		rc = read_cpus(&w, e);
	if (rc == 0)
		rc = vmcfg_warn(&w, e);
	vmcfg_list_clear(&w.cpus);
	vmcfg_list_clear(&w.harmless);
	vmcfg_list_clear(&w.unknown);
	vmcfg_list_clear(&w.refused);
	vmcfg_list_clear(&w.refused_why);
	free(w.root);
	free(w.extra);
	if (rc < 0)
		vm_config_clear(out);
	return rc;
}

void vmcfg_clear(struct vmcfg *v)
{
	free(v->text);
	free(v->name);
	free(v->cwd);
	vmcfg_list_clear(&v->override);
	vmcfg_list_clear(&v->set);
	vmcfg_list_clear(&v->ignore);
	vmcfg_list_clear(&v->warning);
	*v = (struct vmcfg){0};
}
