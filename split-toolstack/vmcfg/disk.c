/* SPDX-License-Identifier: BSD-3-Clause */
/* One item of disk = [...]: parses it with libxlutil (xl-disk-configuration(5)), and checks that
 * it is supported. */
#include "split-toolstack/vmcfg/devices.h"
#include "split-toolstack/vmcfg/private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- libxlutil's reports --- */

int vmcfg_report_open(struct vmcfg_report *r, struct err *e)
{
	*r = (struct vmcfg_report){0};
	r->f = open_memstream(&r->text, &r->len);
	if (r->f)
		r->xlu = xlu_cfg_init(r->f, "");
	if (r->xlu)
		return 0;
	vmcfg_report_close(r);
	return err_set(e, ENOMEM, "out of memory");
}

void vmcfg_report_close(struct vmcfg_report *r)
{
	if (r->xlu)
		xlu_cfg_destroy(r->xlu);
	if (r->f)
		(void)fclose(r->f);
	free(r->text);
	*r = (struct vmcfg_report){0};
}

const char *vmcfg_report_words(struct vmcfg_report *r)
{
	static const char *const before[] = {"disk specification: ", "vif: "};
	const char *words = NULL;
	char *end;

	(void)fflush(r->f);
	for (size_t i = 0; !words && r->text && i < sizeof(before) / sizeof(before[0]); i++) {
		words = strstr(r->text, before[i]);
		if (words)
			words += strlen(before[i]);
	}
	if (!words)
		return "cannot be read";
	end = r->text + (words - r->text);
	end = strstr(end, " in `");
	if (end) /* the whole once more */
		*end = '\0';
	end = r->text + strcspn(r->text, "\n");
	*end = '\0';
	return words;
}

/* --- the item --- */

/* libxlutil's lexer has no rule for a line end, and would end the whole process. */
static int plain(const char *spec, struct err *e)
{
	for (; *spec; spec++)
		if ((unsigned char)*spec < ' ' && *spec != '\t')
			return err_set(e, EINVAL, "has a control character in it");
	return 0;
}

/* Takes userspace, userspace=0 and userspace=1 out of the text: libxlutil does not know it. */
static int take_userspace(char *spec, bool *user, struct err *e)
{
	static const char key[] = "userspace";
	char *at = spec;

	*user = false;
	while (*at) {
		char *token = at + strspn(at, " \t");
		char *end = token + strcspn(token, ",");
		size_t len = (size_t)(end - token);

		if (strncmp(token, "target=", 7) == 0) /* all that follows */
			return 0;
		if (len < sizeof(key) - 1 || strncmp(token, key, sizeof(key) - 1) != 0 ||
		    (len > sizeof(key) - 1 && token[sizeof(key) - 1] != '=')) {
			at = *end ? end + 1 : end;
			continue;
		}
		if (len > sizeof(key) + 1 ||
		    (len == sizeof(key) + 1 && (token[len - 1] < '0' || token[len - 1] > '1')) ||
		    len == sizeof(key))
			return err_set(e, EINVAL, "%.*s: use userspace=1 or userspace=0", (int)len,
				       token);
		*user = len == sizeof(key) - 1 || token[len - 1] == '1';
		memmove(at, *end ? end + 1 : end, strlen(*end ? end + 1 : end) + 1);
	}
	return 0;
}

/* xl looks for a relative path below /dev; files are usually in the folder of their
 * configuration. Which of the two exists is decided when it is opened, because the client's
 * folder may be on a server that does not answer. */
static int set_path(struct vbd_config *vbd, const char *path, const char *cwd, struct err *e)
{
	char *below_dev = NULL;
	int rc;

	if (*path == '/') {
		vbd->path = strdup(path);
		return vbd->path ? 0 : err_set(e, ENOMEM, "out of memory");
	}
	rc = asprintf(&below_dev, "/dev/%s", path);
	if (rc >= 0 && !cwd) {
		vbd->path = below_dev;
		return 0;
	}
	if (rc >= 0) {
		vbd->or_path = below_dev;
		rc = asprintf(&vbd->path, "%s/%s", cwd, path);
		if (rc < 0)
			vbd->path = NULL;
	}
	return rc < 0 ? err_set(e, ENOMEM, "out of memory") : 0;
}

static const char *format_name(libxl_disk_format f)
{
	return f == LIBXL_DISK_FORMAT_QCOW    ? "qcow"
	       : f == LIBXL_DISK_FORMAT_QCOW2 ? "qcow2"
	       : f == LIBXL_DISK_FORMAT_VHD   ? "vhd"
	       : f == LIBXL_DISK_FORMAT_QED   ? "qed"
					      : NULL;
}

static int warn_qemu(struct vmcfg_list *warning, const char *spec, const char *type, struct err *e)
{
	char text[256];

	if (!warning)
		return 0;
	(void)snprintf(text, sizeof(text),
		       "disk \"%.100s\": there is no %s here; the kernel's backend serves it", spec,
		       type);
	return vmcfg_warning(warning, text, e);
}

/* Refuses options without which the guest would get something else. */
static int check(const libxl_device_disk *d, const char *spec, struct vmcfg_list *warning,
		 struct err *e)
{
	int rc = 0;

	if (d->script && d->script[0])
		return err_set(
			e, EOPNOTSUPP,
			"script \"%s\": scripts for disks are not run; make the block device "
			"first and name it as target",
			d->script);
	if (format_name(d->format))
		return err_set(e, EOPNOTSUPP,
			       "format \"%s\": only raw disks are possible; convert it with "
			       "\"qemu-img convert -O raw\"",
			       format_name(d->format));
	if (!d->pdev_path || d->pdev_path[0] == '\0')
		return err_set(e, EOPNOTSUPP, "target: not given%s",
			       d->is_cdrom ? "; a CD drive without a disk is not possible" : "");
	if (!d->vdev || d->vdev[0] == '\0')
		return err_set(e, EINVAL,
			       "vdev: not given; give its name in the guest: xvda, xvdb, ...");
	if (d->specification == LIBXL_DISK_SPECIFICATION_VIRTIO ||
	    d->backend == LIBXL_DISK_BACKEND_STANDALONE)
		return err_set(e, EOPNOTSUPP, "virtio disks are not supported");
	if (!libxl_defbool_is_default(d->colo_enable) && libxl_defbool_val(d->colo_enable))
		return err_set(e, EOPNOTSUPP, "colo is not supported");
	if (d->backend_domname)
		rc = vmcfg_backend("backend", d->backend_domname, e);
	if (rc == 0 && d->backend == LIBXL_DISK_BACKEND_QDISK)
		rc = warn_qemu(warning, spec, "qdisk", e);
	if (rc == 0 && d->backend == LIBXL_DISK_BACKEND_TAP)
		rc = warn_qemu(warning, spec, "tap", e);
	return rc;
}

static int convert(const libxl_device_disk *d, const char *cwd, struct device_config *out,
		   struct err *e)
{
	struct vbd_config *vbd = &out->u.vbd;

	if (vdev_parse(d->vdev, &out->devid) < 0)
		return err_set(e, EINVAL,
			       "vdev \"%s\": not the name of a virtual disk; use xvda, xvdb, ...",
			       d->vdev);
	vbd->cdrom = d->is_cdrom;
	vbd->readonly = !d->readwrite || d->is_cdrom;
	vbd->discard =
		libxl_defbool_is_default(d->discard_enable) || libxl_defbool_val(d->discard_enable);
	return set_path(vbd, d->pdev_path, cwd, e);
}

/* libxlutil's message about a value, with the values that are allowed. */
static int not_parsed(struct vmcfg_report *r, struct err *e)
{
	static const struct {
		const char *begin, *more;
	} help[] = {
		{"unknown value for format",
		 "; the only one is raw: convert others with \"qemu-img convert -O raw\""},
		{"unknown value for access", "; use r, ro, w or rw"},
		{"unknown value for backendtype", "; use phy"},
		{"unknown value for type", "; use disk or cdrom"},
	};
	const char *words = vmcfg_report_words(r);

	for (size_t i = 0; i < sizeof(help) / sizeof(help[0]); i++)
		if (strncmp(words, help[i].begin, strlen(help[i].begin)) == 0)
			return err_set(e, EINVAL, "%s%s", words, help[i].more);
	return err_set(e, EINVAL, "%s", words);
}

static int parse(const char *spec, const char *cwd, struct vmcfg_list *warning,
		 struct device_config *out, struct err *e)
{
	char *copy = strdup(spec);
	const char *specs[1] = {copy};
	struct vmcfg_report r = {0};
	libxl_device_disk d;
	bool user = false;
	int rc;

	device_config_init(out, DEVICE_VBD);
	libxl_device_disk_init(&d);
	rc = copy ? plain(spec, e) : err_set(e, ENOMEM, "out of memory");
	if (rc == 0)
		rc = take_userspace(copy, &user, e);
	if (rc == 0)
		rc = vmcfg_report_open(&r, e);
	if (rc == 0 && xlu_disk_parse(r.xlu, 1, specs, &d) != 0)
		rc = not_parsed(&r, e);
	if (rc == 0)
		rc = check(&d, spec, warning, e);
	if (rc == 0)
		rc = convert(&d, cwd, out, e);
	out->backend = user ? BACKEND_USER : BACKEND_KERNEL;
	libxl_device_disk_dispose(&d);
	vmcfg_report_close(&r);
	free(copy);
	if (rc < 0) {
		device_config_clear(out);
		rc = err_wrap(e, rc, "disk \"%.120s\"", spec);
	}
	return rc;
}

static void write_fields(struct wire_out *w, const struct device_info *i)
{
	const struct device_config *d = i->config;
	const struct vbd_config *v = &d->u.vbd;
	char name[16];

	vdev_name(d->devid, name);
	wire_text(w, PROTO_ID, name);
	wire_u32(w, PROTO_DEVID, d->devid);
	wire_text(w, PROTO_PATH, v->path);
	wire_u32(w, PROTO_READONLY, v->readonly);
	wire_u32(w, PROTO_CDROM, v->cdrom);
	wire_u64(w, PROTO_SECTORS, i->sectors);
}

const struct vmcfg_device_ops vmcfg_vbd_ops = {.parse = parse, .fields = write_fields};
