-- 人民调解（虚构）：声明为 latin1、里面是 GBK 字节的老表；主表、一对一扩展表、当事人明细表共成一条记录，靠案件编号关联，没有外键。
CREATE TABLE `tj-aj` (
  `AJBH`   VARCHAR(20) NOT NULL PRIMARY KEY,
  `bt`     VARCHAR(400),
  `JFLX`   VARCHAR(40),
  `sqrq`   VARCHAR(30),
  `slrq`   DATE,
  `zt`     INT,
  `sjje`   DECIMAL(18,4),
  `yxbz`   BIT(1) NOT NULL DEFAULT b'1',
  `czr`    VARCHAR(20)
) ENGINE=InnoDB DEFAULT CHARSET=latin1;
CREATE TABLE `tj-kz` (
  `id`     INT AUTO_INCREMENT PRIMARY KEY,
  `ajbh`   VARCHAR(30) NOT NULL,
  `jfqk`   TEXT,
  `sflx`   CHAR(1),
  `jssj`   DATETIME,
  UNIQUE KEY (`ajbh`)
) ENGINE=InnoDB DEFAULT CHARSET=latin1;
CREATE TABLE `tj-dsr` (
  `id`     INT AUTO_INCREMENT PRIMARY KEY,
  `ajbh`   VARCHAR(20) NOT NULL,
  `lb`     CHAR(1) NOT NULL,
  `xh`     INT NOT NULL DEFAULT 1,
  `xm`     VARCHAR(200),
  `sfzh`   VARCHAR(18),
  `xb`     CHAR(1),
  KEY (`ajbh`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
