-- 热线工单（虚构）：utf8 表，主键叫保留字，时间是 varchar、bigint、TIMESTAMP 混用，0/1、是/否混用，删除写删除时间。
CREATE TABLE `order` (
  `no`       VARCHAR(32) NOT NULL,
  `key`      BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  `ldsj`     VARCHAR(40),
  `ldhm`     VARCHAR(64),
  `ldr`      VARCHAR(64),
  `ywlb`     VARCHAR(30),
  `sxlx`     VARCHAR(10),
  `dq`       INT,
  `bt`       VARCHAR(64),
  `nr`       MEDIUMTEXT,
  `jj`       TINYINT(1),
  `sfdf`     VARCHAR(4),
  `thsc`     DECIMAL(10,2),
  `zt`       VARCHAR(10),
  `hfsj`     TIMESTAMP NULL,
  `scsj`     DATETIME NULL,
  `xgr`      VARCHAR(20)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb3;
